import { Group, Paper, SimpleGrid, Text, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { RoiScenario } from "../api/types";
import { rounded, useFormat } from "../i18n/format";

/** The figures of one scenario, the return first. */
export function Headline({ scenario, currency }: { scenario: RoiScenario; currency: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { odds } = scenario;
  const measured = scenario.inputs.filter((input) => input.kind === "measured").length;
  const figures = [
    [t("roi.defectReduction"), format.percent(scenario.defect_reduction, 0)],
    [t("roi.escapeSavings"), format.moneyShort(scenario.escape_savings, currency)],
    [t("roi.throughputGain"), format.change(scenario.throughput_gain)],
    [
      t("roi.payback"),
      scenario.payback_months === null
        ? t("roi.noPayback")
        : t("roi.months", { count: rounded(scenario.payback_months, 1), n: format.number(scenario.payback_months, 1) }),
    ],
    [t("roi.npv"), format.moneyShort(scenario.npv, currency)],
    [t("roi.irr"), scenario.irr === null ? "–" : format.percent(scenario.irr, 0)],
    ...scenario.alternatives.map(
      ({ key, first_year_roi: otherwise }) =>
        [t(key === "external_only" ? "roi.externalOnly" : "roi.fullRunRate"), format.percent(otherwise, 0)] as const,
    ),
    [t("roi.benefit"), format.moneyShort(scenario.first_year_benefit, currency)],
    [t("roi.cost"), format.moneyShort(scenario.first_year_cost, currency)],
  ] as const;
  const isCaseStudy = scenario.name === "case_study";
  return (
    <Paper p="md" data-testid={`headline-${scenario.name}`}>
      <Group justify="space-between" align="baseline" gap="xs">
        <Title order={2} size="h4">
          {t(isCaseStudy ? "roi.caseStudy" : "roi.measured")}
        </Title>
        <Text size="sm" c="dimmed">
          {isCaseStudy
            ? t("roi.caseStudyHint")
            : measured === 0
              ? t("roi.measuredNone")
              : t("roi.measuredHint", { n: format.count(measured), total: format.count(scenario.inputs.length) })}
        </Text>
      </Group>
      <Text fz={44} fw={750} lh={1.2} mt="xs">
        {format.percent(scenario.first_year_roi, 0)}
      </Text>
      <Text c="dimmed">{t("roi.firstYearRoi")}</Text>
      <SimpleGrid cols={{ base: 1, xs: 2 }} mt="sm" spacing="md" data-testid={`odds-${scenario.name}`}>
        <div>
          <Text fz="xl" fw={700}>
            {t("roi.range", {
              p5: format.percent(odds.p5, 0),
              p50: format.percent(odds.p50, 0),
              p95: format.percent(odds.p95, 0),
            })}
          </Text>
          <Text size="sm" c="dimmed" lh={1.3}>
            {t("roi.rangeLabel")}
          </Text>
        </div>
        <div>
          <Text fz="xl" fw={700}>
            {format.percent(odds.reaches_target, 0)}
          </Text>
          <Text size="sm" c="dimmed" lh={1.3}>
            {t("roi.chance", { target: format.percent(odds.target, 0) })}
          </Text>
        </div>
      </SimpleGrid>
      {odds.certain.length > 0 && (
        <Text size="sm" c="dimmed" mt="xs" data-testid={`certain-${scenario.name}`}>
          {t("roi.certain", {
            count: odds.certain.length,
            n: format.count(odds.certain.length),
            total: format.count(scenario.inputs.length),
          })}
        </Text>
      )}
      <SimpleGrid cols={{ base: 2, xs: 3, lg: 4 }} mt="md" spacing="md" verticalSpacing="sm">
        {figures.map(([label, value]) => (
          <div key={label}>
            <Text size="sm" c="dimmed" lh={1.3}>
              {label}
            </Text>
            <Text fz="lg" fw={650}>
              {value}
            </Text>
          </div>
        ))}
      </SimpleGrid>
    </Paper>
  );
}
