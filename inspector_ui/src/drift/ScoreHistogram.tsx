import { BarChart } from "@mantine/charts";
import { Text, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { CameraDrift } from "../api/types";
import { useFormat } from "../i18n/format";

/** The spread of the defect probabilities now, beside the reference's. */
export function ScoreHistogram({ histogram }: { histogram: NonNullable<CameraDrift["histogram"]> }) {
  const { t } = useTranslation();
  const format = useFormat();
  const ends = [0, ...histogram.edges, 1];
  const data = histogram.window.map((now, index) => ({
    label: `${format.number(ends[index] ?? 0, 3)}–${format.number(ends[index + 1] ?? 1, 3)}`,
    now,
    reference: histogram.reference[index] ?? 0,
  }));
  return (
    <div>
      <Title order={3} size="h5">
        {t("drift.histogram")}
      </Title>
      <Text size="sm" c="dimmed" mb="xs">
        {t("drift.share")} · {t(`drift.${histogram.against}`)}
      </Text>
      <BarChart
        h={220}
        data={data}
        dataKey="label"
        withLegend
        legendProps={{ verticalAlign: "bottom", itemSorter: null }}
        valueFormatter={(value) => format.percent(value)}
        series={[
          { name: "reference", label: t("drift.reference"), color: "gray.5" },
          { name: "now", label: t("drift.now"), color: "steel.6" },
        ]}
      />
    </div>
  );
}
