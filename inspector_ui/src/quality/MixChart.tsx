import { BarChart } from "@mantine/charts";
import { useTranslation } from "react-i18next";
import type { QualityMetrics } from "../api/types";
import { useFormat } from "../i18n/format";
import { ChartCard } from "./ChartCard";
import { useBucketLabel } from "./useBucketLabel";

/** How many frames got which verdict, over time. */
export function MixChart({ metrics }: { metrics: QualityMetrics }) {
  const { t } = useTranslation();
  const format = useFormat();
  const label = useBucketLabel(metrics.bucket_seconds);
  return (
    <ChartCard title={t("quality.mix")}>
      <BarChart
        h={260}
        type="stacked"
        data={metrics.series.map((bucket) => ({ ...bucket, label: label(bucket.start) }))}
        dataKey="label"
        withLegend
        legendProps={{ verticalAlign: "bottom", itemSorter: null }}
        valueFormatter={format.count}
        series={[
          { name: "passed", label: t("verdict.PASS"), color: "var(--verdict-pass)" },
          { name: "review", label: t("verdict.REVIEW"), color: "var(--verdict-review)" },
          { name: "rejected", label: t("verdict.REJECT"), color: "var(--verdict-reject)" },
          { name: "no_decision", label: t("verdict.NO_DECISION"), color: "var(--verdict-no-decision)" },
        ]}
      />
    </ChartCard>
  );
}
