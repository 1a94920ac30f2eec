import { Group, Table, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { ThroughputMetrics } from "../api/types";
import { useFormat } from "../i18n/format";
import { ChartCard } from "./ChartCard";

/** How fast each line runs, how long an answer takes, and the pace of the reviews. */
export function ThroughputTable({ throughput, line }: { throughput: ThroughputMetrics; line: string | null }) {
  const { t } = useTranslation();
  const format = useFormat();
  const ms = (value: number | null) => (value === null ? "–" : format.number(value, 1));
  const lines = throughput.lines.filter((each) => line === null || each.line === line);
  return (
    <ChartCard title={t("quality.throughput")}>
      <Table.ScrollContainer minWidth={560}>
        <Table verticalSpacing="xs" tabularNums>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t("quality.lineColumn")}</Table.Th>
              <Table.Th ta="right">{t("quality.frames")}</Table.Th>
              <Table.Th ta="right">{t("quality.parts")}</Table.Th>
              <Table.Th ta="right">{t("quality.partsPerHour")}</Table.Th>
              <Table.Th ta="right">{t("quality.p50")}</Table.Th>
              <Table.Th ta="right">{t("quality.p95")}</Table.Th>
              <Table.Th ta="right">{t("quality.lastPart")}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {lines.map((row) => (
              <Table.Tr key={row.line}>
                <Table.Td fw={600} miw={70} style={{ overflowWrap: "anywhere" }}>
                  {row.line}
                </Table.Td>
                <Table.Td ta="right">{format.count(row.inspected)}</Table.Td>
                <Table.Td ta="right">{format.count(row.parts)}</Table.Td>
                <Table.Td ta="right">{format.count(row.parts_per_hour)}</Table.Td>
                <Table.Td ta="right">{ms(row.latency_p50_ms)}</Table.Td>
                <Table.Td ta="right">{ms(row.latency_p95_ms)}</Table.Td>
                <Table.Td ta="right" style={{ whiteSpace: "nowrap" }}>
                  {row.last_received_at === null ? "–" : format.moment(row.last_received_at)}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      <Group gap="xl" mt="sm">
        <Text size="sm">
          {t("quality.reviews")}
          {format.colon}
          <strong>{format.number(throughput.reviews_per_hour, 1)}</strong>
        </Text>
        <Text size="sm">
          {t("quality.reviewTime")}
          {format.colon}
          <strong>
            {throughput.review_seconds_median === null
              ? "–"
              : t("quality.seconds", { n: format.number(throughput.review_seconds_median, 1) })}
          </strong>{" "}
          (n = {format.count(throughput.review_seconds_n)})
        </Text>
      </Group>
    </ChartCard>
  );
}
