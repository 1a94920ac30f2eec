import { ActionIcon, Code, Group, Paper, Stack, Table, Text } from "@mantine/core";
import { Fragment, useState } from "react";
import { useTranslation } from "react-i18next";
import type { AuditEntry } from "../api/types";
import { useFormat } from "../i18n/format";
import { Icon } from "../icons/Icon";
import { Concerns } from "./Concerns";

/** One row an entry; the row opens to what was there before and after. */
export function AuditTable({ entries }: { entries: AuditEntry[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const [opened, setOpened] = useState<number | null>(null);
  return (
    <Paper p="md">
      <Table.ScrollContainer minWidth={700}>
        <Table verticalSpacing={6} tabularNums>
          <Table.Thead>
            <Table.Tr>
              <Table.Th w={60} />
              <Table.Th>{t("audit.time")}</Table.Th>
              <Table.Th>{t("audit.person")}</Table.Th>
              <Table.Th>{t("audit.action")}</Table.Th>
              <Table.Th>{t("audit.subject")}</Table.Th>
              <Table.Th>{t("audit.reason")}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {entries.map((entry) => {
              const open = opened === entry.sequence;
              return (
                <Fragment key={entry.sequence}>
                  <Table.Tr data-testid={`entry-${entry.sequence}`}>
                    <Table.Td>
                      <ActionIcon
                        variant="subtle"
                        aria-expanded={open}
                        aria-label={t("audit.details", { n: entry.sequence })}
                        onClick={() => setOpened(open ? null : entry.sequence)}
                      >
                        <Icon name={open ? "minus" : "plus"} />
                      </ActionIcon>
                    </Table.Td>
                    <Table.Td style={{ whiteSpace: "nowrap" }}>{format.dateTime(entry.at)}</Table.Td>
                    <Table.Td miw={95} style={{ overflowWrap: "anywhere" }}>
                      {entry.person}
                    </Table.Td>
                    <Table.Td fw={600} miw={110}>
                      {t(`auditAction.${entry.action}`)}
                    </Table.Td>
                    <Table.Td miw={125}>
                      <Concerns entry={entry} />
                    </Table.Td>
                    <Table.Td miw={110} style={{ overflowWrap: "anywhere" }}>
                      {entry.reason}
                    </Table.Td>
                  </Table.Tr>
                  {open && (
                    <Table.Tr>
                      <Table.Td />
                      <Table.Td colSpan={5}>
                        <Details entry={entry} />
                      </Table.Td>
                    </Table.Tr>
                  )}
                </Fragment>
              );
            })}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Paper>
  );
}

function Details({ entry }: { entry: AuditEntry }) {
  const { t } = useTranslation();
  return (
    <Stack gap="xs" py="xs">
      <Group align="start" gap="xl">
        <Values title={t("audit.before")} values={entry.old} />
        <Values title={t("audit.after")} values={entry.new} />
      </Group>
      <Text size="sm" c="dimmed">
        {t("audit.subject")} <Code style={{ overflowWrap: "anywhere" }}>{entry.subject}</Code>
      </Text>
      <Text size="sm" c="dimmed">
        {t("audit.hash")} <Code style={{ overflowWrap: "anywhere" }}>{entry.hash}</Code>
      </Text>
    </Stack>
  );
}

function Values({ title, values }: { title: string; values: AuditEntry["new"] }) {
  if (values === null) {
    return null;
  }
  return (
    <div>
      <Text size="sm" fw={600}>
        {title}
      </Text>
      {Object.entries(values).map(([name, value]) => (
        <Text key={name} size="sm" style={{ overflowWrap: "anywhere" }}>
          <Code>{name}</Code> {value === null ? "–" : typeof value === "string" ? value : JSON.stringify(value)}
        </Text>
      ))}
    </div>
  );
}
