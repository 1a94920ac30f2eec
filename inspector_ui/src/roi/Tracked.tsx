import { Button, Group, List, Paper, Text, Title } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { csvBody } from "../api/csvBody";
import { expectData } from "../api/problem";
import type { Kpis } from "../api/types";
import { rounded, useFormat } from "../i18n/format";
import { CsvDialog } from "../reason/CsvDialog";
import { useMay } from "../who/WhoProvider";

const EXAMPLE = {
  name: "kpis.csv",
  content: "kpi,day,value,n,source\nsurvey,2026-10-01,3.8,42,employee survey of October\n",
};

/** Innovation, employees and customers: figures that are shown as they are. */
export function Tracked({ kpis }: { kpis: Kpis }) {
  const { t } = useTranslation();
  const format = useFormat();
  const queries = useQueryClient();
  const mayPlan = useMay("plan");
  const [importing, setImporting] = useState(false);
  const { override_rate: overrides } = kpis;
  return (
    <Paper p="md" data-testid="tracked">
      <Group justify="space-between" mb="sm" gap="sm">
        <Title order={2} size="h4">
          {t("roi.tracked")}
        </Title>
        {mayPlan && (
          <Button variant="default" onClick={() => setImporting(true)}>
            {t("roi.kpiImport")}
          </Button>
        )}
      </Group>
      <List spacing="xs">
        <List.Item>
          {overrides.value === null
            ? t("roi.overridesUnknown")
            : t("roi.overrides", {
                rate: format.percent(overrides.value),
                n: format.count(overrides.denominator),
                count: overrides.denominator,
              })}
        </List.Item>
        {kpis.new_classes.map((one) => (
          <List.Item key={one.name}>
            {t(one.known_at === null ? "roi.newClassWaits" : "roi.newClass", {
              name: one.name,
              days: format.number(one.days, 1),
              count: rounded(one.days, 1),
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
      {importing && (
        <CsvDialog
          title={t("roi.kpiImport")}
          hint={t("roi.kpiImportHint")}
          example={EXAMPLE}
          onClose={() => setImporting(false)}
          send={async (body, { person, reason }) => {
            expectData(
              await api.POST("/v1/kpis", {
                params: { query: { person, reason } },
                ...csvBody(body),
              }),
            );
            await queries.invalidateQueries({ queryKey: ["kpis"] });
          }}
        />
      )}
    </Paper>
  );
}
