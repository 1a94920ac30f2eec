import { CompositeChart } from "@mantine/charts";
import { SegmentedControl } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { QualityMetrics } from "../api/types";
import { useFormat } from "../i18n/format";
import { ChartCard } from "./ChartCard";
import { pareto } from "./pareto";
import type { Period } from "./period";
import { figuresQuery } from "./qualityQueries";

const GROUPS = ["class", "line", "shift"] as const;

/** So many names stand under their bars; of more, every other one would be left out. */
const SIDE_BY_SIDE = 6;
const LONGEST_NAME = 16;
const SLANTED = {
  interval: 0,
  angle: -35,
  textAnchor: "end",
  height: 92,
  tickFormatter: (name: string) => (name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name),
} as const;

type Group = (typeof GROUPS)[number];

interface Props {
  metrics: QualityMetrics;
  period: Period;
  line: string | null;
}

/** Which few classes, lines or shifts make up most of the confirmed defects. */
export function ParetoChart({ metrics, period, line }: Props) {
  const { t } = useTranslation();
  const format = useFormat();
  const [group, setGroup] = useState<Group>("class");
  const figures = useQuery({
    ...figuresQuery(period, line, group === "class" ? null : group),
    enabled: group !== "class",
    placeholderData: keepPreviousData,
  });
  const counts =
    group === "class" || figures.data?.by !== group
      ? metrics.by_class
      : Object.fromEntries(
          figures.data.groups.map(({ name, by_class }) => [
            name === "" ? t("quality.noShift") : name,
            Object.values(by_class).reduce((sum, count) => sum + count, 0),
          ]),
        );
  const rows = pareto(counts).filter(({ count }) => count > 0);
  const slanted = rows.length > SIDE_BY_SIDE;
  return (
    <ChartCard title={t("quality.pareto")} empty={rows.length === 0 && t("quality.paretoEmpty")}>
      <SegmentedControl
        aria-label={t("quality.paretoBy")}
        value={group}
        mb="xs"
        onChange={(value) => setGroup(value as Group)}
        data={GROUPS.map((each) => ({ value: each, label: t(`quality.by.${each}`) }))}
      />
      <CompositeChart
        h={slanted ? 300 : 240}
        data={rows}
        dataKey="name"
        xAxisProps={slanted ? SLANTED : undefined}
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
