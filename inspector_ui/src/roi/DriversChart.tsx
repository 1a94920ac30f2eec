import { BarChart } from "@mantine/charts";
import { Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { RoiScenario } from "../api/types";
import { rounded, useFormat } from "../i18n/format";
import { ChartCard } from "../quality/ChartCard";
import { useRoiWording } from "./wording";

/** Tornado: which numbers move the return most within their own spread. */
export function DriversChart({ scenario }: { scenario: RoiScenario }) {
  const { t } = useTranslation();
  const format = useFormat();
  const words = useRoiWording();
  const data = scenario.odds.drivers.map((driver) => ({
    name: words.input(driver.key),
    low: driver.roi_at_low - scenario.first_year_roi,
    high: driver.roi_at_high - scenario.first_year_roi,
  }));
  return (
    <ChartCard title={t("roi.drivers")}>
      <Text size="sm" c="dimmed" mb="xs">
        {t("roi.driversHint")}
      </Text>
      <BarChart
        h={Math.max(160, 70 + 34 * data.length)}
        orientation="vertical"
        data={data}
        dataKey="name"
        withLegend
        legendProps={{ verticalAlign: "bottom", itemSorter: null }}
        // one over the other: a number at its best has both ends on the same side
        barChartProps={{ barGap: "-100%" }}
        gridAxis="x"
        yAxisProps={{ width: 150 }}
        valueFormatter={(value) =>
          t("roi.points", {
            count: rounded(value * 100, 0),
            n: `${value > 0 ? "+" : ""}${format.number(value * 100, 0)}`,
          })
        }
        referenceLines={[{ x: 0, color: "var(--quiet)" }]}
        series={[
          { name: "low", label: t("roi.numberLow"), color: "steel.3" },
          { name: "high", label: t("roi.numberHigh"), color: "steel.7" },
        ]}
      />
    </ChartCard>
  );
}
