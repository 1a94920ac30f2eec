import { Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useFormat } from "../i18n/format";

/** Whose clock the times of a page are by; on paper too. */
export function ZoneNote() {
  const { t } = useTranslation();
  const { zone, offset, sameClock, sentences } = useFormat();
  return (
    <Text component="footer" size="sm" c="dimmed" mt="md">
      {sentences(t("zone.note", { zone, offset }), sameClock ? "" : t("zone.other"))}
    </Text>
  );
}
