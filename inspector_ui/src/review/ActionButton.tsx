import { Button } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Action } from "../actions/action";
import { isEnabled } from "../actions/dispatchKey";
import { Icon, type IconName } from "../icons/Icon";
import { KeyCap } from "../shell/KeyCap";
import classes from "./ActionButton.module.css";

interface Props<Context> {
  action: Action<Context>;
  context: Context;
  icon: IconName;
  /** For actions that switch something: whether it is on. */
  pressed?: boolean;
}

/** An action as a button: its word and its key. */
export function ActionButton<Context>({ action, context, icon, pressed }: Props<Context>) {
  const { t } = useTranslation();
  return (
    <Button
      variant={pressed ? "light" : "subtle"}
      color={pressed ? "steel" : "gray"}
      className={classes.button}
      flex="none"
      px="sm"
      leftSection={<Icon name={icon} size={18} />}
      rightSection={<KeyCap cap={action.caps[0] ?? ""} />}
      aria-pressed={pressed}
      disabled={!isEnabled(action, context)}
      onClick={() => action.perform(context)}
    >
      {t(action.label)}
    </Button>
  );
}
