import { Alert, Group, List, Paper, SimpleGrid, Table, Text, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { EscapeMetrics } from "../api/types";
import { useFormat, useServerText } from "../i18n/format";
import { Icon } from "../icons/Icon";
import classes from "./RateTile.module.css";

/** How many defects passed, how sure that is, and what it rests on. */
export function EscapeCard({ escapes }: { escapes: EscapeMetrics }) {
  const { t } = useTranslation();
  const format = useFormat();
  const text = useServerText();
  const { rate, escaped, bound } = escapes;
  return (
    <Paper p="md" mt="md" component="section" data-testid="escapes">
      <Title order={2} size="h4" mb="sm">
        {t("escapes.title")}
      </Title>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <div>
          {rate.value === null ? (
            <Alert color="yellow" icon={<Icon name="alert" />} role="status" mb="sm">
              {rate.why_unknown === null ? t("quality.unknown") : text(rate.why_unknown)}
            </Alert>
          ) : (
            <>
              <Group gap="xl" align="baseline">
                <div>
                  <Text c="dimmed" size="sm">
                    {t("escapes.rate")}
                  </Text>
                  <Text fz={32} fw={700} lh={1.3}>
                    {format.percent(rate.value)}
                  </Text>
                </div>
                {escaped.value !== null && (
                  <div>
                    <Text c="dimmed" size="sm">
                      {t("escapes.escaped")}
                    </Text>
                    <Text fz={32} fw={700} lh={1.3}>
                      {format.count(escaped.value)}
                    </Text>
                  </div>
                )}
              </Group>
              {rate.low !== null && rate.high !== null && (
                <>
                  <div className={classes.track} aria-hidden="true">
                    <div
                      className={classes.interval}
                      style={{ left: `${rate.low * 100}%`, right: `${(1 - rate.high) * 100}%` }}
                    />
                    <div className={classes.point} style={{ left: `${rate.value * 100}%` }} />
                  </div>
                  <Text size="sm">
                    {t("quality.interval", { low: format.percent(rate.low), high: format.percent(rate.high) })}
                  </Text>
                </>
              )}
            </>
          )}
          {bound !== null && <Text size="sm">{t("escapes.bound", { bound: format.percent(bound) })}</Text>}
          <Text size="sm" c="dimmed" mt="xs">
            {format.sentences(t("escapes.restsOn"), text(rate.rests_on))}
          </Text>
          {escapes.naive_rate !== null && rate.value !== null && (
            <Text size="sm" c="dimmed" mt="xs">
              {t("escapes.naive", { rate: format.percent(escapes.naive_rate) })}
            </Text>
          )}
          {escapes.notes.length > 0 && (
            <List size="sm" mt="xs">
              {escapes.notes.map((note) => (
                <List.Item key={note.en}>{text(note)}</List.Item>
              ))}
            </List>
          )}
        </div>
        <div>
          <Table.ScrollContainer minWidth={420}>
            <Table verticalSpacing={4} tabularNums>
              <Table.Caption>{t("escapes.bandsHint")}</Table.Caption>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{t("escapes.band")}</Table.Th>
                  <Table.Th ta="right">{t("escapes.passed")}</Table.Th>
                  <Table.Th ta="right">{t("escapes.audited")}</Table.Th>
                  <Table.Th ta="right">{t("escapes.waiting")}</Table.Th>
                  <Table.Th ta="right">{t("escapes.defective")}</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {escapes.bands.map((band) => (
                  <Table.Tr key={band.score_from}>
                    <Table.Td>
                      {format.percent(band.score_from, 0)}–{format.percent(band.score_below, 0)}
                    </Table.Td>
                    <Table.Td ta="right">{format.count(band.passed)}</Table.Td>
                    <Table.Td ta="right">{format.count(band.audited)}</Table.Td>
                    <Table.Td ta="right">{format.count(band.waiting)}</Table.Td>
                    <Table.Td ta="right">{format.count(band.defective)}</Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        </div>
      </SimpleGrid>
    </Paper>
  );
}
