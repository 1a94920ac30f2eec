import { Button, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Entrance } from "./Entrance";
import { PasswordForm } from "./PasswordForm";
import { useSignOut } from "./useSignIn";

/** A one-time password opens nothing but this. */
export function PasswordPage() {
  const { t } = useTranslation();
  const signOut = useSignOut();
  return (
    <Entrance title={t("password.title")}>
      <Text>{t("password.oneTime")}</Text>
      <PasswordForm />
      <Button variant="subtle" onClick={() => void signOut()}>
        {t("signIn.out")}
      </Button>
    </Entrance>
  );
}
