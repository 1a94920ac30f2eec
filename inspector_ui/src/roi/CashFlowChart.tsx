import { AreaChart } from "@mantine/charts";
import { Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { RoiScenario } from "../api/types";
import { useFormat } from "../i18n/format";
import { ChartCard } from "../quality/ChartCard";

/** When the money is back: what was paid and earned up to each month. */
export function CashFlowChart({ scenario, currency }: { scenario: RoiScenario; currency: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const data = scenario.cash_flow.map(({ month, cumulative }) => ({ month, cumulative }));
  return (
    <ChartCard title={t("roi.cashFlow")}>
      <Text size="sm" c="dimmed" mb="xs">
        {t("roi.cashFlowHint")}
      </Text>
      <AreaChart
        h={280}
        data={data}
        dataKey="month"
        curveType="linear"
        withDots={false}
        fillOpacity={0.25}
        xAxisProps={{ interval: 5 }}
        yAxisProps={{ width: 84 }}
        tooltipProps={{ labelFormatter: (month) => t("roi.month", { n: String(month) }) }}
        valueFormatter={(value) => format.moneyShort(value, currency)}
        referenceLines={[{ y: 0, color: "var(--mantine-color-text)" }]}
        series={[{ name: "cumulative", label: t("roi.cashFlow"), color: "steel.6" }]}
      />
    </ChartCard>
  );
}
