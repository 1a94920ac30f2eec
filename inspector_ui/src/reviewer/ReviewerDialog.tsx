import { Button, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Dialog } from "../shell/Dialog";

interface Props {
  name: string;
  onSave: (name: string) => void;
  /** Absent when the name must be given before anything else. */
  onClose?: () => void;
}

export function ReviewerDialog({ name, onSave, onClose }: Props) {
  const { t } = useTranslation();
  const [draft, setDraft] = useState(name);
  const trimmed = draft.trim();
  return (
    <Dialog onClose={onClose} title={t("reviewer.title")}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (trimmed !== "") {
            onSave(trimmed);
          }
        }}
      >
        <Stack>
          <Text size="sm" c="dimmed">
            {t("reviewer.text")}
          </Text>
          <TextInput
            label={t("reviewer.label")}
            value={draft}
            maxLength={128}
            data-autofocus
            onChange={(event) => setDraft(event.currentTarget.value)}
          />
          <Button type="submit" disabled={trimmed === ""}>
            {t("reviewer.save")}
          </Button>
        </Stack>
      </form>
    </Dialog>
  );
}
