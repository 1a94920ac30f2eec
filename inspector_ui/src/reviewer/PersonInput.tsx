import { TextInput } from "@mantine/core";
import { useTranslation } from "react-i18next";

/** Who answers for a change. */
export function PersonInput({ person, onChange }: { person: string; onChange: (person: string) => void }) {
  const { t } = useTranslation();
  return (
    <TextInput
      label={t("reviewer.label")}
      value={person}
      maxLength={128}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  );
}
