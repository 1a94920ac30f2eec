import { List, Paper, SimpleGrid, Table, Text, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Rate, ShadowComparison } from "../api/types";
import { useFormat, useServerText } from "../i18n/format";
import { Differences } from "./Differences";

/** The model that decides and its shadow on the same frames. */
export function Pairs({ comparison }: { comparison: ShadowComparison }) {
  const { t } = useTranslation();
  const format = useFormat();
  const text = useServerText();
  const { shadow, frames, reviewed } = comparison;
  if (shadow === null) {
    return null;
  }
  const share = (rate: Rate) => (rate.value === null ? "–" : format.percent(rate.value));
  return (
    <Paper p="md" mb="md" component="section" data-testid="pairs">
      <Title order={2} size="h4">
        {t("models.comparison", { version: `${shadow.name} ${shadow.version}` })}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {shadow.ended_at === null
          ? t("models.comparisonSince", { time: format.dateTime(shadow.started_at) })
          : t("models.comparisonEnded", {
              start: format.dateTime(shadow.started_at),
              end: format.dateTime(shadow.ended_at),
            })}
        {" · "}
        {shadow.person}: {shadow.reason}
      </Text>
      {frames === 0 ? (
        <Text py="md">{t("models.noFrames")}</Text>
      ) : (
        <>
          <SimpleGrid cols={{ base: 2, md: 5 }} mb="md">
            <Figure label={t("models.frames")} value={format.count(frames)} />
            <Figure
              label={t("models.agreement")}
              value={share(comparison.agreement)}
              hint={
                comparison.agreement.low === null || comparison.agreement.high === null
                  ? undefined
                  : t("models.interval", {
                      low: format.percent(comparison.agreement.low),
                      high: format.percent(comparison.agreement.high),
                    })
              }
            />
            <Figure
              label={t("models.change")}
              value={comparison.flag_change === null ? "–" : format.change(comparison.flag_change, 1)}
              hint={
                comparison.flag_change_low === null || comparison.flag_change_high === null
                  ? undefined
                  : t("models.interval", {
                      low: format.change(comparison.flag_change_low, 1),
                      high: format.change(comparison.flag_change_high, 1),
                    })
              }
            />
            <Figure
              label={t("models.flags")}
              value={share(comparison.shadow_flags)}
              hint={t("models.flagsHint", {
                active: share(comparison.active_flags),
                shadow: share(comparison.shadow_flags),
              })}
            />
            {comparison.latency_p50_ms !== null && (
              <Figure
                label={t("models.latency")}
                value={t("models.ms", { n: format.number(comparison.latency_p50_ms, 1) })}
              />
            )}
          </SimpleGrid>
          <SimpleGrid cols={{ base: 1, md: 2 }}>
            <div>
              <Title order={3} size="h5" mb="xs">
                {t("models.pairs")}
              </Title>
              <Table verticalSpacing={4} tabularNums>
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>{t("models.pairActive")}</Table.Th>
                    <Table.Th>{t("models.pairShadow")}</Table.Th>
                    <Table.Th ta="right">{t("models.frames")}</Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {comparison.pairs.map((pair) => (
                    <Table.Tr key={`${pair.active} ${pair.shadow}`} fw={pair.active === pair.shadow ? undefined : 700}>
                      <Table.Td>{t(`verdict.${pair.active}`)}</Table.Td>
                      <Table.Td>{t(`verdict.${pair.shadow}`)}</Table.Td>
                      <Table.Td ta="right">{format.count(pair.frames)}</Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </div>
            <div>
              <Title order={3} size="h5" mb="xs">
                {t("models.reviewed")}
              </Title>
              {reviewed.n === 0 ? (
                <Text>{t("models.reviewedNone")}</Text>
              ) : (
                <List size="sm">
                  <List.Item>
                    {t("models.bothRight")}: {format.count(reviewed.both_right)}
                  </List.Item>
                  <List.Item>
                    {t("models.onlyActive")}: {format.count(reviewed.only_active_right)}
                  </List.Item>
                  <List.Item>
                    {t("models.onlyShadow")}: {format.count(reviewed.only_shadow_right)}
                  </List.Item>
                  <List.Item>
                    {t("models.neither")}: {format.count(reviewed.neither_right)}
                  </List.Item>
                </List>
              )}
              {reviewed.mcnemar_p !== null && (
                <Text size="sm">{t("models.mcnemar", { p: format.number(reviewed.mcnemar_p, 3) })}</Text>
              )}
              {comparison.notes.map((note) => (
                <Text key={note.en} size="sm" c="dimmed" mt="xs">
                  {text(note)}
                </Text>
              ))}
            </div>
          </SimpleGrid>
          <Differences differences={comparison.differences} />
        </>
      )}
    </Paper>
  );
}

function Figure({ label, value, hint }: { label: string; value: string; hint?: string }) {
  return (
    <div>
      <Text size="sm" c="dimmed">
        {label}
      </Text>
      <Text fz="xl" fw={650}>
        {value}
      </Text>
      {hint && (
        <Text size="sm" c="dimmed">
          {hint}
        </Text>
      )}
    </div>
  );
}
