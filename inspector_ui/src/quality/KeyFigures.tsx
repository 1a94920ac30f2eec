import { Paper, SimpleGrid, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { QualityMetrics } from "../api/types";
import { useFormat } from "../i18n/format";
import { RateTile } from "./RateTile";

/** The figures of the period, each with its denominator and interval. */
export function KeyFigures({ metrics }: { metrics: QualityMetrics }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <SimpleGrid cols={{ base: 2, sm: 3, lg: 5 }}>
      <Paper p="md" data-testid="tile-inspected">
        <Text fw={600}>{t("quality.inspected")}</Text>
        <Text size="sm" c="dimmed">
          {t("quality.inspectedHint")}
        </Text>
        <Text fz={32} fw={700} lh={1.3}>
          {format.count(metrics.inspected)}
        </Text>
        <Text size="sm" c="dimmed">
          {t("quality.waiting", { count: metrics.waiting, n: format.count(metrics.waiting) })}
        </Text>
      </Paper>
      <RateTile name="flagRate" rate={metrics.flag_rate} />
      <RateTile name="confirmedRate" rate={metrics.confirmed_rate} />
      <RateTile name="falseCallRate" rate={metrics.false_call_rate} />
      <RateTile
        name="escapeRate"
        rate={metrics.escape_rate}
        unknown={t("quality.fewAudits", { n: format.count(metrics.escape_rate.denominator) })}
      />
    </SimpleGrid>
  );
}
