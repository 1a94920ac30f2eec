import { Alert, Button, Checkbox, Group, SimpleGrid, Stack, Text, Textarea } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { ProblemError } from "../api/problem";
import { Icon } from "../icons/Icon";
import { PersonInput } from "../reviewer/PersonInput";
import { useReviewer } from "../reviewer/reviewer";
import { Dialog } from "../shell/Dialog";

export interface Answered {
  reason: string;
  person: string;
  /** True when the person goes ahead although the server refused. */
  force: boolean;
}

interface Props {
  title: string;
  hint: string;
  action: string;
  onClose: () => void;
  /** Throws ProblemError when the server refuses. */
  perform: (answered: Answered) => Promise<void>;
  /** Whether a refusal (409) may be overruled, behind a second confirmation. */
  mayForce?: boolean;
  /** True while something else that must be given is missing. */
  incomplete?: boolean;
  /** What to read meanwhile, beside what is asked. */
  beside?: ReactNode;
  /** What else is asked, above the reason. */
  children?: ReactNode;
}

/** Asks who and why before something that is kept for good; says what the server refuses, and why. */
export function ReasonDialog({
  title,
  hint,
  action,
  onClose,
  perform,
  mayForce = false,
  incomplete = false,
  beside,
  children,
}: Props) {
  const { t } = useTranslation();
  const [reviewer] = useReviewer();
  const [person, setPerson] = useState(reviewer);
  const [reason, setReason] = useState("");
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<{ title: string; words: string; lang?: string; overrulable: boolean } | null>(
    null,
  );
  const [sure, setSure] = useState(false);
  const complete = !incomplete && person.trim() !== "" && reason.trim() !== "";
  const forcing = refusal?.overrulable === true;

  async function send(): Promise<void> {
    setBusy(true);
    try {
      await perform({ reason: reason.trim(), person: person.trim(), force: forcing && sure });
      onClose();
    } catch (error) {
      const answered = error instanceof ProblemError;
      setRefusal({
        title: t(answered ? "models.refused" : "state.unreachable"),
        words: answered ? error.message : t("state.perhapsSent"),
        lang: answered ? error.lang : undefined,
        overrulable: mayForce && answered && error.status === 409,
      });
      setSure(false);
    } finally {
      setBusy(false);
    }
  }

  return (
    <Dialog title={title} onClose={onClose} size={beside === undefined ? undefined : "80rem"}>
      <SimpleGrid cols={{ base: 1, md: beside === undefined ? 1 : 2 }}>
        {beside}
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void send();
          }}
        >
          <Stack>
            <Text size="sm" c="dimmed">
              {hint}
            </Text>
            {children}
            <PersonInput person={person} onChange={setPerson} />
            <Textarea
              label={t("reason.label")}
              description={t("reason.hint")}
              value={reason}
              maxLength={500}
              autosize
              minRows={2}
              data-autofocus
              onChange={(event) => setReason(event.currentTarget.value)}
            />
            {refusal !== null && (
              <Alert color="red" icon={<Icon name="alert" />} title={refusal.title} role="alert">
                <span lang={refusal.lang}>{refusal.words}</span>
              </Alert>
            )}
            {forcing && (
              <Checkbox
                size="md"
                label={t("models.forceSure")}
                checked={sure}
                onChange={(event) => setSure(event.currentTarget.checked)}
              />
            )}
            <Group justify="end">
              <Button variant="default" onClick={onClose}>
                {t("reason.cancel")}
              </Button>
              <Button
                type="submit"
                color={forcing ? "red" : undefined}
                loading={busy}
                disabled={!complete || (forcing && !sure)}
              >
                {forcing ? t("models.force") : action}
              </Button>
            </Group>
          </Stack>
        </form>
      </SimpleGrid>
    </Dialog>
  );
}
