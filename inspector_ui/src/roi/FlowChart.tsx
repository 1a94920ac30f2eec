import { BarChart } from "@mantine/charts";
import { useTranslation } from "react-i18next";
import type { RoiReport } from "../api/types";
import { useFormat } from "../i18n/format";
import { ChartCard } from "../quality/ChartCard";
import { useRoiWording } from "./wording";

/** Each benefit and cost of the first year, case study beside measured; costs and burdens point left. */
export function FlowChart({ report }: { report: RoiReport }) {
  const { t } = useTranslation();
  const format = useFormat();
  const words = useRoiWording();
  const { case_study: caseStudy, measured, currency } = report;
  const rows = [
    ...caseStudy.benefits.map((line, index) => ({ line, other: measured.benefits[index], sign: 1 })),
    ...caseStudy.costs.map((line, index) => ({ line, other: measured.costs[index], sign: -1 })),
  ].map(({ line, other, sign }) => ({
    item: words.line(line.key),
    caseStudy: sign * line.first_year,
    measured: sign * (other?.first_year ?? 0),
  }));
  return (
    <ChartCard title={t("roi.chart")}>
      <BarChart
        h={360}
        orientation="vertical"
        data={rows}
        dataKey="item"
        withLegend
        legendProps={{ verticalAlign: "bottom", itemSorter: null }}
        gridAxis="x"
        yAxisProps={{ width: 150 }}
        valueFormatter={(value) => format.moneyShort(value, currency)}
        referenceLines={[{ x: 0, color: "var(--quiet)" }]}
        series={[
          { name: "caseStudy", label: t("roi.caseStudy"), color: "steel.3" },
          { name: "measured", label: t("roi.measured"), color: "steel.7" },
        ]}
      />
    </ChartCard>
  );
}
