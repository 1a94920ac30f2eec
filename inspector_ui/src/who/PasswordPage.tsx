import { Button, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Refusal } from "../people/Refusal";
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
      <Refusal error={signOut.error} />
      <Button variant="subtle" onClick={() => signOut.mutate()}>
        {t("signIn.out")}
      </Button>
    </Entrance>
  );
}
