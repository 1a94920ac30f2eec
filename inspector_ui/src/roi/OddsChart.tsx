import { BarChart } from "@mantine/charts";
import { Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { RoiOdds } from "../api/types";
import { useFormat } from "../i18n/format";
import { ChartCard } from "../quality/ChartCard";
import { useRoiWording } from "./wording";

/** How the possible returns are spread, those that reach the target in another colour. */
export function OddsChart({ odds }: { odds: RoiOdds }) {
  const { t } = useTranslation();
  const format = useFormat();
  const wording = useRoiWording();
  const { edges, counts } = odds.histogram;
  const middle = (index: number) => ((edges[index] ?? 0) + (edges[index + 1] ?? 0)) / 2;
  const label = (index: number) => format.percent(middle(index), 0);
  const data = counts.map((count, index) => {
    const reaches = middle(index) >= odds.target;
    return { roi: label(index), below: reaches ? 0 : count, reaching: reaches ? count : 0 };
  });
  const words = {
    p5: format.percent(odds.p5, 0),
    p50: format.percent(odds.p50, 0),
    p95: format.percent(odds.p95, 0),
    target: format.percent(odds.target, 0),
    chance: format.percent(odds.reaches_target, 0),
  };
  const binOf = (value: number) =>
    counts.findIndex((_, index) => value < (edges[index + 1] ?? Number.POSITIVE_INFINITY));
  const marks = [
    ["P5", odds.p5],
    ["P50", odds.p50],
    ["P95", odds.p95],
  ] as const;
  return (
    <ChartCard title={t("roi.odds", { n: format.count(odds.draws) })}>
      <Text size="sm" c="dimmed" mb="xs">
        {t("roi.oddsHint", words)}
      </Text>
      <BarChart
        h={280}
        type="stacked"
        data={data}
        dataKey="roi"
        withLegend
        legendProps={{ verticalAlign: "bottom", itemSorter: null }}
        barChartProps={{ barCategoryGap: 1, margin: { top: 22 } }}
        withYAxis={false}
        gridAxis="none"
        valueFormatter={(value) => format.count(value)}
        referenceLines={marks.map(([name, value]) => ({
          x: label(Math.max(0, binOf(value))),
          label: name,
          labelPosition: "top" as const,
          color: "var(--mantine-color-text)",
        }))}
        series={[
          { name: "below", label: t("roi.outcomes"), color: "steel.5" },
          { name: "reaching", label: t("roi.outcomesReaching"), color: "var(--verdict-pass)" },
        ]}
      />
      {odds.certain.length > 0 && (
        <Text size="sm" c="dimmed" mt="xs">
          {t("roi.certainAre", { names: format.list(odds.certain.map(wording.input)) })}
        </Text>
      )}
    </ChartCard>
  );
}
