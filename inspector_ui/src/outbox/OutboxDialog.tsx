import { Button, Group, Paper, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useFormat } from "../i18n/format";
import { Dialog } from "../shell/Dialog";
import { Conflict } from "./Conflict";
import type { OutboxEntry } from "./entry";
import { useOutbox, useOutboxEntries } from "./OutboxProvider";

interface Props {
  onClose: () => void;
  onDiscarded: (entry: OutboxEntry) => void;
}

/** What the server does not have yet, and what it refused, each with its reason and what can be done. */
export function OutboxDialog({ onClose, onDiscarded }: Props) {
  const { t } = useTranslation();
  const entries = useOutboxEntries();
  const refused = entries.filter((entry) => entry.refusal !== null);
  const waiting = entries.filter((entry) => entry.refusal === null);
  return (
    <Dialog onClose={onClose} title={t("outbox.title")} size="lg">
      <Stack>
        {entries.length === 0 && <Text>{t("outbox.allSent")}</Text>}
        {refused.length > 0 && <Text size="sm">{t("outbox.refused")}</Text>}
        {refused.map((entry) => (
          <EntryRow key={entry.seq} entry={entry} onDiscarded={onDiscarded} />
        ))}
        {waiting.length > 0 && <Text size="sm">{t("outbox.waiting")}</Text>}
        {waiting.map((entry) => (
          <EntryRow key={entry.seq} entry={entry} onDiscarded={onDiscarded} />
        ))}
      </Stack>
    </Dialog>
  );
}

function EntryRow({ entry, onDiscarded }: { entry: OutboxEntry } & Pick<Props, "onDiscarded">) {
  const { t } = useTranslation();
  const format = useFormat();
  const outbox = useOutbox();
  const open = entry.refusal !== null && !entry.conflict;
  const [sure, setSure] = useState(false);
  const discard = async () => {
    await outbox.discard(entry);
    onDiscarded(entry);
  };
  return (
    <Paper p="sm">
      <Group justify="space-between" wrap="nowrap" align="start">
        <div>
          <Text fw={600}>
            {entry.partId} · {t(`decision.${entry.request.decision ?? "withdrawn"}`)}
          </Text>
          <Text size="xs" c="dimmed">
            {format.dateTime(entry.request.decided_at)} · {entry.request.reviewer}
          </Text>
          {open && (
            <Text size="sm" c="var(--verdict-reject-text)" mt={4}>
              {entry.refusal}
            </Text>
          )}
        </div>
        {open && (
          <Group gap="xs" wrap="nowrap">
            <Button variant="default" onClick={() => void outbox.sendAgain(entry)}>
              {t("outbox.sendAgain")}
            </Button>
            <Button
              variant={sure ? "filled" : "subtle"}
              color="red"
              onClick={() => (sure ? void discard() : setSure(true))}
            >
              {t(sure ? "outbox.discardSure" : "outbox.discard")}
            </Button>
          </Group>
        )}
      </Group>
      {entry.conflict && <Conflict entry={entry} onKeepTheirs={() => void discard()} />}
    </Paper>
  );
}
