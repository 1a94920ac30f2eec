import { Button, Group, Paper, SimpleGrid, Slider, Text, Title } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import type { RoiInput, RoiScenario } from "../api/types";
import { useFormat, useServerText } from "../i18n/format";
import { useRoiWording } from "./wording";

const KEYS = [
  "escape_rate_after",
  "defective_rate",
  "escape_cost",
  "false_call_rate_after",
  "cycle_after",
  "ramp_months",
  "attribution",
  "cost_overrun",
  "target_roi",
];
const STEPS = 40;
const WAIT_MS = 250;

/** Sliders over the numbers that matter; the server computes, so that there is one formula. */
export function WhatIf({ scenario, currency }: { scenario: RoiScenario; currency: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const [values, setValues] = useState<Record<string, number>>({});
  const [asked] = useDebouncedValue(values, WAIT_MS);
  const query = useQuery({
    queryKey: ["roi-what-if", asked],
    queryFn: async ({ signal }) => expectData(await api.POST("/v1/roi", { body: { values: asked }, signal })),
    enabled: Object.keys(asked).length > 0,
    placeholderData: keepPreviousData,
  });
  const changed = Object.keys(values).length > 0;
  const shown = changed && query.data ? query.data : scenario;
  const figures = [
    [t("roi.firstYearRoi"), format.percent(shown.first_year_roi, 0)],
    [
      t("roi.rangeLabel"),
      t("roi.range", {
        p5: format.percent(shown.odds.p5, 0),
        p50: format.percent(shown.odds.p50, 0),
        p95: format.percent(shown.odds.p95, 0),
      }),
    ],
    [t("roi.chance", { target: format.percent(shown.odds.target, 0) }), format.percent(shown.odds.reaches_target, 0)],
    [t("roi.npv"), format.moneyShort(shown.npv, currency)],
  ] as const;
  return (
    <Paper p="md" mt="md" data-testid="what-if">
      <Group justify="space-between" mb="xs">
        <div>
          <Title order={2} size="h4">
            {t("roi.whatIf")}
          </Title>
          <Text size="sm" c="dimmed">
            {t("roi.whatIfHint")}
          </Text>
        </div>
        <Button variant="default" disabled={!changed} onClick={() => setValues({})}>
          {t("roi.reset")}
        </Button>
      </Group>
      <SimpleGrid cols={{ base: 2, md: 4 }} mb="md" aria-live="polite">
        {figures.map(([label, value], index) => (
          <div key={label}>
            <Text fz={index === 0 ? 30 : "xl"} fw={700} lh={1.3}>
              {value}
            </Text>
            <Text size="sm" c="dimmed" lh={1.3}>
              {label}
              {index === 0 && changed && `, ${t("roi.nowRoi", { roi: format.percent(scenario.first_year_roi, 0) })}`}
            </Text>
          </div>
        ))}
      </SimpleGrid>
      <SimpleGrid cols={{ base: 1, xs: 2, lg: 3 }} spacing="xl" verticalSpacing="lg">
        {KEYS.map((key) => scenario.inputs.find((input) => input.key === key))
          .filter((input) => input !== undefined)
          .map((input) => (
            <NumberSlider
              key={input.key}
              input={input}
              value={values[input.key] ?? input.value}
              onChange={(value) => setValues((before) => ({ ...before, [input.key]: value }))}
            />
          ))}
      </SimpleGrid>
    </Paper>
  );
}

interface NumberSliderProps {
  input: RoiInput;
  value: number;
  onChange: (value: number) => void;
}

function NumberSlider({ input, value, onChange }: NumberSliderProps) {
  const format = useFormat();
  const text = useServerText();
  const words = useRoiWording();
  const low = Math.max(input.least, Math.min(input.low ?? input.value, input.value / 2));
  const high = Math.min(input.most, Math.max(input.high ?? 0, input.value * 1.5));
  return (
    <div>
      <Group justify="space-between" gap="xs" wrap="nowrap" align="baseline">
        <Text size="sm" fw={600} id={`slider-${input.key}`}>
          {words.input(input.key)}
        </Text>
        <Text size="sm" ta="right">
          <strong>{format.number(value, 4)}</strong> <span style={{ color: "var(--quiet)" }}>{text(input.unit)}</span>
        </Text>
      </Group>
      <Slider
        mt={6}
        size="lg"
        thumbSize={24}
        min={low}
        max={high}
        step={(high - low) / STEPS}
        value={value}
        label={null}
        thumbProps={{ "aria-labelledby": `slider-${input.key}` }}
        onChange={onChange}
      />
    </div>
  );
}
