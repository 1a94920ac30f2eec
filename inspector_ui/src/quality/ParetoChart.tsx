import { CompositeChart } from "@mantine/charts";
import { useTranslation } from "react-i18next";
import type { QualityMetrics } from "../api/types";
import { useFormat } from "../i18n/format";
import { ChartCard } from "./ChartCard";
import { pareto } from "./pareto";

/** Which few classes make up most of the confirmed defects. */
export function ParetoChart({ metrics }: { metrics: QualityMetrics }) {
  const { t } = useTranslation();
  const format = useFormat();
  const rows = pareto(metrics.by_class);
  return (
    <ChartCard title={t("quality.pareto")} empty={rows.length === 0 && t("quality.paretoEmpty")}>
      <CompositeChart
        h={260}
        data={rows}
        dataKey="name"
        withLegend
        legendProps={{ verticalAlign: "bottom", itemSorter: null }}
        withRightYAxis
        rightYAxisProps={{ domain: [0, 100], tickFormatter: (value: number) => format.percent(value / 100, 0) }}
        maxBarWidth={64}
        series={[
          { name: "count", label: t("quality.count"), type: "bar", color: "steel.5" },
          {
            name: "cumulative",
            label: t("quality.cumulative"),
            type: "line",
            color: "var(--verdict-reject)",
            yAxisId: "right",
          },
        ]}
        curveType="linear"
        valueFormatter={(value) => format.number(value, 1)}
      />
    </ChartCard>
  );
}
