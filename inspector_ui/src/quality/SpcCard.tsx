import { LineChart } from "@mantine/charts";
import { Group, List, NativeSelect, SegmentedControl, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { SpcChart, SpcMetrics } from "../api/types";
import { useFormat } from "../i18n/format";
import { QueryView } from "../shell/QueryView";
import { ChartCard } from "./ChartCard";
import { spcQuery } from "./qualityQueries";
import { type ChartName, chartNames, course, kindOf, streamOf } from "./spcCourse";

/** Control charts with their limits explained; one camera, product and model at a time. */
export function SpcCard({ line }: { line: string | null }) {
  const { t } = useTranslation();
  const [name, setName] = useState<ChartName>("p");
  const [chosen, setChosen] = useState<string | null>(null);
  const query = useQuery(spcQuery(kindOf(name), line));
  const nameOf = useNameOf();
  const charts = query.data?.charts ?? [];
  // the charts come newest point first, so the first one is another after each refresh
  if (charts[0] !== undefined && !charts.some((chart) => streamOf(chart) === chosen)) {
    setChosen(streamOf(charts[0]));
  }
  return (
    <ChartCard title={t("spc.title")}>
      <SegmentedControl
        aria-label={t("spc.chart")}
        value={name}
        mb="sm"
        onChange={(value) => setName(value as ChartName)}
        data={chartNames.map((each) => ({ value: each, label: t(`spc.${each}`) }))}
      />
      <QueryView query={query}>
        {(metrics) => {
          const chart = metrics.charts.find((each) => streamOf(each) === chosen) ?? metrics.charts[0];
          if (chart === undefined) {
            return (
              <Text c="dimmed" py="xl" ta="center">
                {t("spc.empty", { n: metrics.subgroup })}
              </Text>
            );
          }
          return (
            <>
              {metrics.charts.length > 1 && (
                <NativeSelect
                  aria-label={t("spc.which")}
                  mb="sm"
                  value={streamOf(chart)}
                  onChange={(event) => setChosen(event.currentTarget.value)}
                  data={metrics.charts.map((each) => ({ value: streamOf(each), label: nameOf(each) }))}
                />
              )}
              <Chart chart={chart} metrics={metrics} name={name} />
            </>
          );
        }}
      </QueryView>
    </ChartCard>
  );
}

function Chart({ chart, metrics, name }: { chart: SpcChart; metrics: SpcMetrics; name: ChartName }) {
  const { t } = useTranslation();
  const format = useFormat();
  const nameOf = useNameOf();
  const points = course(chart, name, metrics.cusum_limit);
  const share = name === "p" || name === "laney";
  const say = (value: number) => (share ? format.percent(value) : format.number(value));
  const signals = chart.points.filter((point) => point.signals.length > 0);
  const last = signals.at(-1);
  return (
    <>
      <LineChart
        h={300}
        data={points.map((point) => ({ ...point, label: format.dateTime(point.at) }))}
        dataKey="label"
        curveType="linear"
        withLegend
        legendProps={{ verticalAlign: "bottom", itemSorter: null }}
        valueFormatter={say}
        yAxisProps={{ tickFormatter: say, width: 64 }}
        xAxisProps={{ minTickGap: 40 }}
        referenceLines={
          chart.centre !== null && (share || name === "u")
            ? [{ y: chart.centre, label: t("spc.centre"), color: "gray.6" }]
            : []
        }
        series={[
          { name: "value", label: t(`spc.value.${name}`), color: "steel.6" },
          ...(name === "cusum"
            ? [{ name: "lower", label: t("spc.cusumLower"), color: "var(--verdict-no-decision)" }]
            : []),
          { name: "high", label: t("spc.upperLimit"), color: "var(--verdict-reject)", strokeDasharray: "6 4" },
          ...(name === "cusum"
            ? []
            : [{ name: "low", label: t("spc.lowerLimit"), color: "var(--verdict-reject)", strokeDasharray: "6 4" }]),
          { name: "signal", label: t("spc.signal"), color: "var(--verdict-review)" },
        ]}
        lineProps={(series) => ({
          dot: series.name === "signal" ? { r: 6, strokeWidth: 2 } : series.name === "value" && points.length < 80,
          strokeWidth: series.name === "signal" ? 0 : 2,
          activeDot: series.name !== "signal",
          isAnimationActive: false,
          connectNulls: false,
        })}
      />
      <Text size="sm" fw={650} mt="sm" role="status">
        {chart.centre === null
          ? t("spc.gathering", { n: chart.points.length, need: chart.baseline })
          : last === undefined
            ? t("spc.inControl")
            : t("spc.signalled", {
                time: format.dateTime(last.ended_at),
                rules: last.signals.map((rule) => t(`spc.rule.${rule}`)).join("; "),
              })}
      </Text>
      <Group gap="xs" mt="xs">
        <Text size="sm" c="dimmed">
          {nameOf(chart)}
        </Text>
      </Group>
      {chart.frozen_at !== null && chart.centre !== null && (
        <List size="sm" mt="xs">
          <List.Item>
            {t("spc.frozen", { n: chart.baseline, time: format.dateTime(chart.frozen_at), size: metrics.subgroup })}
          </List.Item>
          <List.Item>
            {t(`spc.meaning.${name}`, {
              centre: say(chart.centre),
              spread: format.number(chart.spread ?? 1),
              limit: format.number(metrics.cusum_limit),
            })}
          </List.Item>
          <List.Item>
            {t("spc.alarms", { rules: metrics.alarm_rules.map((rule) => t(`spc.rule.${rule}`)).join("; ") })}
          </List.Item>
        </List>
      )}
    </>
  );
}

/** Says of a chart whose it is; charts of different thresholds are told apart. */
function useNameOf(): (chart: SpcChart) => string {
  const { t } = useTranslation();
  return ({ line, station, camera, product, model, threshold_change: change }) =>
    [line, station, camera, product, `${model.name} ${model.version}`]
      .concat(change === null ? [] : t("spc.change", { n: change }))
      .join(" · ");
}
