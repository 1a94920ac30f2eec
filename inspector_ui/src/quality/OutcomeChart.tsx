import { LineChart } from "@mantine/charts";
import { useTranslation } from "react-i18next";
import type { QualityMetrics } from "../api/types";
import { useFormat } from "../i18n/format";
import { ChartCard } from "./ChartCard";
import { useBucketLabel } from "./useBucketLabel";

/** What people found in the flagged parts, over time. */
export function OutcomeChart({ metrics }: { metrics: QualityMetrics }) {
  const { t } = useTranslation();
  const format = useFormat();
  const label = useBucketLabel(metrics.bucket_seconds);
  return (
    <ChartCard title={t("quality.outcomes")}>
      <LineChart
        h={260}
        data={metrics.series.map((bucket) => ({ ...bucket, label: label(bucket.start) }))}
        dataKey="label"
        curveType="linear"
        withDots={false}
        withLegend
        legendProps={{ verticalAlign: "bottom", itemSorter: null }}
        valueFormatter={format.count}
        series={[
          { name: "defects_confirmed", label: t("quality.confirmed"), color: "var(--verdict-reject)" },
          {
            name: "false_calls",
            label: t("quality.falseCalls"),
            color: "var(--verdict-pass)",
            strokeDasharray: "6 4",
          },
        ]}
      />
    </ChartCard>
  );
}
