import { List, Paper, Text, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Kpis } from "../api/types";
import { useFormat } from "../i18n/format";

/** Innovation, employees and customers: figures that are shown as they are. */
export function Tracked({ kpis }: { kpis: Kpis }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { override_rate: overrides } = kpis;
  return (
    <Paper p="md">
      <Title order={2} size="h4" mb="sm">
        {t("roi.tracked")}
      </Title>
      <List spacing="xs">
        <List.Item>
          {overrides.value === null
            ? t("roi.overridesUnknown")
            : t("roi.overrides", { rate: format.percent(overrides.value), n: format.count(overrides.denominator) })}
        </List.Item>
        {kpis.new_classes.map((one) => (
          <List.Item key={one.name}>
            {t(one.known_at === null ? "roi.newClassWaits" : "roi.newClass", {
              name: one.name,
              days: format.number(one.days, 1),
            })}
          </List.Item>
        ))}
        {kpis.imported.map(({ key, points }) => {
          const newest = points.at(-1);
          return (
            newest && (
              <List.Item key={key}>
                {t("roi.kpiPoint", {
                  name: t(`kpi.${key}`),
                  value: format.number(newest.value),
                  day: newest.day,
                  source: newest.source,
                })}
              </List.Item>
            )
          );
        })}
      </List>
      {kpis.imported.length === 0 && (
        <Text size="sm" c="dimmed" mt="xs">
          {t("roi.kpiEmpty")}
        </Text>
      )}
    </Paper>
  );
}
