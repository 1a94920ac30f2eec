import "@mantine/charts/styles.css";
import { Button, Group, Stack, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { csvBody } from "../api/csvBody";
import { expectData } from "../api/problem";
import { useFormat } from "../i18n/format";
import { CsvDialog } from "../reason/CsvDialog";
import { Page } from "../shell/Page";
import { useMay } from "../who/WhoProvider";
import { AttributionCard } from "./AttributionCard";
import { BaselinesCard } from "./BaselinesCard";
import { ComparisonCard } from "./ComparisonCard";
import { RolloutsCard } from "./RolloutsCard";

const EXAMPLE = {
  name: "past-counts.csv",
  content:
    "day,line,product,inspected,flagged,false_calls,confirmed,audited,audit_defects,escapes,inspector_seconds\n2026-03-02,line-1,cell,1000,60,40,20,50,1,3,28800\n",
};

/** What was before, which line got the system when, and what the change can be put down to. */
export default function BeforePage() {
  const { t } = useTranslation();
  const format = useFormat();
  const queries = useQueryClient();
  const mayPlan = useMay("plan");
  const [importing, setImporting] = useState(false);
  const [done, setDone] = useState<string | null>(null);
  return (
    <Page
      title={t("before.title")}
      controls={mayPlan && <Button onClick={() => setImporting(true)}>{t("before.import")}</Button>}
    >
      <Stack>
        <Text size="sm" c="dimmed" maw={900}>
          {t("before.hint")}
        </Text>
        {done !== null && (
          <Group role="status" data-testid="imported">
            <Text fw={600}>{done}</Text>
          </Group>
        )}
        <BaselinesCard />
        <ComparisonCard />
        <RolloutsCard />
        <AttributionCard />
      </Stack>
      {importing && (
        <CsvDialog
          title={t("before.import")}
          hint={t("before.importHint")}
          example={EXAMPLE}
          mayForce
          onClose={() => setImporting(false)}
          send={async (body, { person, reason, force }) => {
            const found = expectData(
              await api.POST("/v1/past-counts", {
                params: { query: { person, reason, replace: force } },
                ...csvBody(body),
              }),
            );
            setDone(
              t("csv.done", {
                count: found.rows,
                n: format.count(found.rows),
                first: found.first_day,
                last: found.last_day,
              }),
            );
            await Promise.all(
              ["comparison", "attribution", "roi"].map((key) => queries.invalidateQueries({ queryKey: [key] })),
            );
          }}
        />
      )}
    </Page>
  );
}
