import { Menu, Text, UnstyledButton } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Icon } from "../icons/Icon";
import { Refusal } from "../people/Refusal";
import { Dialog } from "../shell/Dialog";
import classes from "../shell/Header.module.css";
import { PasswordForm } from "./PasswordForm";
import { useSignOut } from "./useSignIn";
import { useWho } from "./WhoProvider";

/** Who is signed in, as what, and the way out. */
export function AccountMenu() {
  const { t } = useTranslation();
  const { name, role } = useWho();
  const signOut = useSignOut();
  const [changing, setChanging] = useState(false);
  if (name === null || role === null) {
    return null;
  }
  const label = t("account.label", { name, role: t(`role.${role}`) });
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <UnstyledButton className={classes.link} h={44} miw={44} maw={220} aria-label={label}>
            <Icon name="person" />
            <span className={classes.wide} style={{ overflow: "hidden", textOverflow: "ellipsis" }}>
              {name}
              <span className={classes.widest}> · {t(`role.${role}`)}</span>
            </span>
          </UnstyledButton>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>
            <Text size="sm">{label}</Text>
          </Menu.Label>
          <Menu.Item h={44} onClick={() => setChanging(true)}>
            {t("password.title")}
          </Menu.Item>
          <Menu.Item h={44} onClick={() => signOut.mutate()}>
            {t("signIn.out")}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {signOut.isError && (
        <Dialog title={t("signIn.out")} onClose={signOut.reset}>
          <Refusal error={signOut.error} />
        </Dialog>
      )}
      {changing && (
        <Dialog title={t("password.title")} onClose={() => setChanging(false)}>
          <PasswordForm onDone={() => setChanging(false)} />
        </Dialog>
      )}
    </>
  );
}
