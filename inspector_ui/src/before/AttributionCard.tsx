import { LineChart } from "@mantine/charts";
import { Group, Paper, SegmentedControl, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Attribution } from "../api/types";
import { useFormat, useServerText } from "../i18n/format";
import { QueryView } from "../shell/QueryView";
import { attributionQuery } from "./beforeQueries";
import { Caveats } from "./ComparisonCard";

const OUTCOMES = ["escapes", "false_calls", "confirmed"] as const satisfies readonly Attribution["outcome"][];
const COLOURS = ["steel.8", "orange.7", "steel.4", "gray.6", "teal.7", "grape.6"];
const PER = 1000;

/** What the lines with the system changed more than those without it yet. */
export function AttributionCard() {
  const { t } = useTranslation();
  const [outcome, setOutcome] = useState<Attribution["outcome"]>("escapes");
  const query = useQuery(attributionQuery(outcome));
  return (
    <Paper p="md" component="section" data-testid="attribution">
      <Group justify="space-between" gap="sm" mb="xs">
        <Title order={2} size="h4">
          {t("before.attribution")}
        </Title>
        <SegmentedControl
          aria-label={t("before.outcome")}
          value={outcome}
          onChange={(value) => setOutcome(OUTCOMES.find((each) => each === value) ?? "escapes")}
          data={OUTCOMES.map((value) => ({ value, label: t(`before.outcomes.${value}`) }))}
        />
      </Group>
      <Text size="sm" c="dimmed" mb="xs">
        {t("before.attributionHint")}
      </Text>
      <QueryView query={query}>{(found) => <Result found={found} />}</QueryView>
    </Paper>
  );
}

function Result({ found }: { found: Attribution }) {
  const { t } = useTranslation();
  const format = useFormat();
  const text = useServerText();
  const lines = [...new Set(found.points.map(({ line }) => line))];
  const weeks = [...new Set(found.points.map(({ week }) => week))].sort();
  const data = weeks.map((week) => ({
    week,
    ...Object.fromEntries(
      found.points
        .filter((point) => point.week === week && point.exposure > 0)
        .map(({ line, count, exposure }) => [line, (PER * count) / exposure]),
    ),
  }));
  return (
    <>
      {found.effect === null ? (
        <Text fw={700} data-testid="effect">
          {t("before.noEffect")}
        </Text>
      ) : (
        <div data-testid="effect">
          <Text fz={30} fw={700} lh={1.2}>
            {format.change(found.effect, 1)}
          </Text>
          <Text size="sm">
            {t("before.effect", {
              low: found.low === null ? "–" : format.change(found.low, 1),
              high: found.high === null ? "–" : format.change(found.high, 1),
              p: found.p_value === null ? "–" : format.number(found.p_value, 3),
              tried: format.count(found.tried),
              orders: format.count(found.orders),
            })}
          </Text>
          {found.before_after !== null && (
            <Text size="sm" c="dimmed">
              {t("before.naive", { change: format.change(found.before_after, 1) })}
            </Text>
          )}
        </div>
      )}
      {data.length > 1 && (
        <LineChart
          h={260}
          mt="md"
          data={data}
          dataKey="week"
          withDots={false}
          withLegend
          legendProps={{ verticalAlign: "bottom", itemSorter: null }}
          connectNulls
          curveType="linear"
          valueFormatter={(value) => t("before.perThousand", { n: format.number(value, 2) })}
          yAxisProps={{ width: 90 }}
          series={lines.map((name, index) => ({ name, color: COLOURS[index % COLOURS.length] ?? "steel.8" }))}
        />
      )}
      <Caveats caveats={found.caveats.map(text)} />
    </>
  );
}
