import { useTranslation } from "react-i18next";
import type { Alarm } from "../api/types";
import { useReason } from "../i18n/serverReason";

/** One plain sentence for an alarm; the server's own, in English, where its fault has no words here. */
export function useAlarmWords(): (alarm: Alarm) => string {
  const { t } = useTranslation();
  const reasonIn = useReason();
  return ({ kind, fault, reason }) => {
    if (kind !== "CAMERA_FAULT") {
      return t(`alarm.${kind}`);
    }
    return fault === null ? reasonIn(reason).words : t(`fault.${fault}`);
  };
}
