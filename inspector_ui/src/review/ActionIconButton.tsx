import { ActionIcon, Tooltip } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Action } from "../actions/action";
import { isEnabled } from "../actions/dispatchKey";
import { Icon, type IconName } from "../icons/Icon";

interface Props<Context> {
  action: Action<Context>;
  context: Context;
  icon: IconName;
}

/** An action as an icon; its word and key are in the tooltip. */
export function ActionIconButton<Context>({ action, context, icon }: Props<Context>) {
  const { t } = useTranslation();
  return (
    <Tooltip label={`${t(action.label)} (${action.caps[0]})`}>
      <ActionIcon
        aria-label={t(action.label)}
        disabled={!isEnabled(action, context)}
        onClick={() => action.perform(context)}
      >
        <Icon name={icon} />
      </ActionIcon>
    </Tooltip>
  );
}
