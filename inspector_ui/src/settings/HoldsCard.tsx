import { Button, Group, Paper, SimpleGrid, Switch, Table, Text, TextInput, Title } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import type { Hold } from "../api/types";
import { useFormat } from "../i18n/format";
import { instantOf } from "../i18n/plantTime";
import { ReasonDialog } from "../reason/ReasonDialog";
import { QueryView } from "../shell/QueryView";
import { useZone } from "../who/WhoProvider";
import { holdsQuery, retentionQuery } from "./settingsQueries";

/** Legal holds: what is kept whatever its age, by whom and why; setting and lifting them. */
export function HoldsCard() {
  const { t } = useTranslation();
  const format = useFormat();
  const queries = useQueryClient();
  const [lifted, setLifted] = useState(false);
  const [setting, setSetting] = useState(false);
  const [lifting, setLifting] = useState<Hold | null>(null);
  const query = useQuery(holdsQuery(lifted));
  const what = ({ part_id, lot, since, until }: Hold) =>
    [
      part_id && t("settings.part", { name: part_id }),
      lot && t("settings.lot", { name: lot }),
      since && t("settings.since", { at: format.dateTime(since) }),
      until && t("settings.until", { at: format.dateTime(until) }),
    ]
      .filter(Boolean)
      .join(" · ");

  async function refresh(): Promise<void> {
    await queries.invalidateQueries({ queryKey: ["holds"] });
    await queries.invalidateQueries({ queryKey: retentionQuery.queryKey });
  }

  return (
    <Paper p="md" component="section" data-testid="holds">
      <Group justify="space-between" gap="sm">
        <Title order={2} size="h4">
          {t("settings.holds")}
        </Title>
        <Group>
          <Switch
            size="md"
            label={t("settings.showLifted")}
            checked={lifted}
            onChange={(event) => setLifted(event.currentTarget.checked)}
          />
          <Button variant="default" onClick={() => setSetting(true)}>
            {t("settings.setHold")}
          </Button>
        </Group>
      </Group>
      <Text size="sm" c="dimmed" mb="xs">
        {t("settings.holdsHint")}
      </Text>
      <QueryView query={query}>
        {(holds) =>
          holds.length === 0 ? (
            <Text c="dimmed">{t("settings.noHolds")}</Text>
          ) : (
            <Table.ScrollContainer minWidth={720}>
              <Table verticalSpacing="xs">
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>{t("settings.what")}</Table.Th>
                    <Table.Th>{t("reason.label")}</Table.Th>
                    <Table.Th>{t("settings.who")}</Table.Th>
                    <Table.Th>{t("settings.when")}</Table.Th>
                    <Table.Td />
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {holds.map((hold) => (
                    <Table.Tr key={hold.id}>
                      <Table.Td fw={600}>{what(hold)}</Table.Td>
                      <Table.Td>{hold.reason}</Table.Td>
                      <Table.Td>{hold.person}</Table.Td>
                      <Table.Td>{format.dateTime(hold.set_at)}</Table.Td>
                      <Table.Td ta="right">
                        {hold.lifted_at === null ? (
                          <Button variant="default" onClick={() => setLifting(hold)}>
                            {t("settings.lift")}
                          </Button>
                        ) : (
                          <Text size="sm" c="dimmed">
                            {t("settings.lifted", {
                              who: hold.lifted_by ?? "",
                              at: format.dateTime(hold.lifted_at),
                              why: hold.lift_reason ?? "",
                            })}
                          </Text>
                        )}
                      </Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
          )
        }
      </QueryView>
      {setting && <NewHold onClose={() => setSetting(false)} onDone={refresh} />}
      {lifting !== null && (
        <ReasonDialog
          title={t("settings.liftTitle", { what: what(lifting) })}
          hint={t("settings.liftHint")}
          action={t("settings.lift")}
          onClose={() => setLifting(null)}
          perform={async ({ reason, person }) => {
            const params = { path: { id: lifting.id }, query: { reason, person } };
            expectData(await api.DELETE("/v1/holds/{id}", { params }));
            await refresh();
          }}
        />
      )}
    </Paper>
  );
}

function NewHold({ onClose, onDone }: { onClose: () => void; onDone: () => Promise<void> }) {
  const { t } = useTranslation();
  const zone = useZone();
  const [named, setNamed] = useState({ part_id: "", lot: "", since: "", until: "" });
  const field = (name: keyof typeof named) => ({
    value: named[name],
    onChange: (event: { currentTarget: { value: string } }) => {
      const { value } = event.currentTarget;
      setNamed((before) => ({ ...before, [name]: value }));
    },
  });
  const time = (value: string) => (value === "" ? null : instantOf(value, zone).toISOString());
  return (
    <ReasonDialog
      title={t("settings.setHold")}
      hint={t("settings.setHint")}
      action={t("settings.setHold")}
      onClose={onClose}
      perform={async ({ reason, person }) => {
        const body = {
          part_id: named.part_id.trim() || null,
          lot: named.lot.trim() || null,
          since: time(named.since),
          until: time(named.until),
          reason,
          person,
        };
        expectData(await api.POST("/v1/holds", { body }));
        await onDone();
      }}
    >
      <SimpleGrid cols={{ base: 1, xs: 2 }}>
        <TextInput label={t("history.part_id")} maxLength={128} {...field("part_id")} />
        <TextInput label={t("history.lot")} maxLength={128} {...field("lot")} />
        <TextInput label={t("settings.sinceLabel")} type="datetime-local" {...field("since")} />
        <TextInput label={t("settings.untilLabel")} type="datetime-local" {...field("until")} />
      </SimpleGrid>
    </ReasonDialog>
  );
}
