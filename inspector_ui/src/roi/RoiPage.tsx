import "@mantine/charts/styles.css";
import { Alert, List, Paper, SimpleGrid, Text, Title } from "@mantine/core";
import { queryOptions, useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import type { RoiReport } from "../api/types";
import { useFormat, useServerText } from "../i18n/format";
import { Icon } from "../icons/Icon";
import { Page } from "../shell/Page";
import { QueryView } from "../shell/QueryView";
import { BenefitsTable } from "./BenefitsTable";
import { CashFlowChart } from "./CashFlowChart";
import { DriversChart } from "./DriversChart";
import { FlowChart } from "./FlowChart";
import { Headline } from "./Headline";
import { InputsTable } from "./InputsTable";
import { NextLine } from "./NextLine";
import { OddsChart } from "./OddsChart";
import { ReportLinks } from "./ReportLinks";
import { Tracked } from "./Tracked";
import { WhatIf } from "./WhatIf";
import { useRoiWording } from "./wording";

const roiQuery = queryOptions({
  queryKey: ["roi"],
  queryFn: async ({ signal }) => expectData(await api.GET("/v1/roi", { signal })),
  refetchInterval: 30_000,
});

const kpisQuery = queryOptions({
  queryKey: ["kpis"],
  queryFn: async ({ signal }) => expectData(await api.GET("/v1/kpis", { signal })),
  refetchInterval: 60_000,
});

const rankingQuery = queryOptions({
  queryKey: ["roi", "candidates"],
  queryFn: async ({ signal }) => expectData(await api.GET("/v1/roi/candidates", { signal })),
});

/** What the system is worth, as the case study assumes it and with what was measured here. */
export default function RoiPage() {
  const { t } = useTranslation();
  const query = useQuery(roiQuery);
  const format = useFormat();
  return (
    <Page
      title={t("roi.title")}
      controls={
        query.data && (
          <Text size="sm" c="dimmed">
            {t("roi.computed", { time: format.dateTime(query.data.computed_at) })}
          </Text>
        )
      }
    >
      <QueryView query={query}>{(report) => <Report report={report} />}</QueryView>
    </Page>
  );
}

function Report({ report }: { report: RoiReport }) {
  const { t } = useTranslation();
  const text = useServerText();
  const words = useRoiWording();
  const kpis = useQuery(kpisQuery);
  const ranking = useQuery(rankingQuery);
  const { measured, currency } = report;
  return (
    <>
      {report.contradictions.length > 0 && (
        <Alert color="orange" icon={<Icon name="alert" />} mb="md" title={t("roi.contradictions")}>
          <List spacing={4} size="sm">
            {report.contradictions.map((one) => (
              <List.Item key={one.key}>
                <strong>{words.input(one.key)}</strong> {text(one.text)}
              </List.Item>
            ))}
          </List>
        </Alert>
      )}
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Headline scenario={report.case_study} currency={report.currency} />
        <Headline scenario={report.measured} currency={report.currency} />
        <OddsChart odds={measured.odds} />
        <DriversChart scenario={measured} />
        <CashFlowChart scenario={measured} currency={currency} />
        <FlowChart report={report} />
        <Paper p="md">
          <Title order={2} size="h4" mb="sm">
            {t("roi.notes")}
          </Title>
          <List spacing="xs">
            {report.notes.map((note) => (
              <List.Item key={note.en}>{text(note)}</List.Item>
            ))}
          </List>
        </Paper>
        <QueryView query={kpis}>{(found) => <Tracked kpis={found} />}</QueryView>
      </SimpleGrid>
      <WhatIf scenario={measured} currency={currency} />
      <BenefitsTable report={report} />
      <InputsTable scenario={measured} />
      <QueryView query={ranking}>{(found) => <NextLine ranking={found} />}</QueryView>
      <ReportLinks today={report.today} />
    </>
  );
}
