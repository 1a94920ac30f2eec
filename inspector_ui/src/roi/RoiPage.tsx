import "@mantine/charts/styles.css";
import { List, Paper, SimpleGrid, Text, Title } from "@mantine/core";
import { queryOptions, useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import type { RoiReport } from "../api/types";
import { useFormat, useServerText } from "../i18n/format";
import { Page } from "../shell/Page";
import { QueryView } from "../shell/QueryView";
import { BenefitsTable } from "./BenefitsTable";
import { FlowChart } from "./FlowChart";
import { Headline } from "./Headline";
import { InputsTable } from "./InputsTable";

const roiQuery = queryOptions({
  queryKey: ["roi"],
  queryFn: async ({ signal }) => expectData(await api.GET("/v1/roi", { signal })),
  refetchInterval: 30_000,
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
  return (
    <>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Headline scenario={report.case_study} currency={report.currency} />
        <Headline scenario={report.measured} currency={report.currency} />
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
      </SimpleGrid>
      <BenefitsTable report={report} />
      <InputsTable inputs={report.measured.inputs} />
    </>
  );
}
