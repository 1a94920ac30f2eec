import { Button, Group, Paper, Table, Text, Title } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import { rounded, useFormat } from "../i18n/format";
import { ReasonDialog } from "../reason/ReasonDialog";
import { QueryView } from "../shell/QueryView";
import { retentionQuery } from "./settingsQueries";

const MEGABYTE = 1e6;

/** How long things are kept, what a run would remove now, and the run itself. */
export function RetentionCard() {
  const { t } = useTranslation();
  const format = useFormat();
  const queries = useQueryClient();
  const query = useQuery(retentionQuery);
  const [asking, setAsking] = useState(false);
  return (
    <Paper p="md" component="section" data-testid="retention">
      <Group justify="space-between" gap="sm">
        <Title order={2} size="h4">
          {t("settings.retention")}
        </Title>
        <Button variant="default" onClick={() => setAsking(true)}>
          {t("settings.runRetention")}
        </Button>
      </Group>
      <Text size="sm" c="dimmed" mb="xs">
        {t("settings.retentionHint")}
      </Text>
      <QueryView query={query}>
        {(plan) => (
          <Table.ScrollContainer minWidth={660} scrollAreaProps={{ viewportProps: { tabIndex: 0 } }}>
            <Table verticalSpacing="xs" tabularNums>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{t("settings.what")}</Table.Th>
                  <Table.Th ta="right">{t("settings.keptFor")}</Table.Th>
                  <Table.Th ta="right">{t("settings.due")}</Table.Th>
                  <Table.Th ta="right">{t("settings.files")}</Table.Th>
                  <Table.Th ta="right">{t("settings.size")}</Table.Th>
                  <Table.Th ta="right">{t("settings.held")}</Table.Th>
                  <Table.Th ta="right">{t("settings.waiting")}</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {plan.classes.map((each) => (
                  <Table.Tr key={each.rule}>
                    <Table.Td>{t(`settings.rule.${each.rule}`)}</Table.Td>
                    <Table.Td ta="right">
                      {each.days === null
                        ? t("settings.ever")
                        : t("settings.days", { count: rounded(each.days, 1), n: format.number(each.days, 1) })}
                    </Table.Td>
                    <Table.Td ta="right">{format.count(each.inspections)}</Table.Td>
                    <Table.Td ta="right">{format.count(each.images)}</Table.Td>
                    <Table.Td ta="right" style={{ whiteSpace: "nowrap" }}>
                      {t("settings.megabytes", { n: format.number(each.image_bytes / MEGABYTE, 1) })}
                    </Table.Td>
                    <Table.Td ta="right">{format.count(each.held)}</Table.Td>
                    <Table.Td ta="right">{format.count(each.waiting)}</Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        )}
      </QueryView>
      {asking && (
        <ReasonDialog
          title={t("settings.runRetention")}
          hint={t("settings.runHint")}
          action={t("settings.runRetention")}
          onClose={() => setAsking(false)}
          perform={async (body) => {
            const { reason, person } = body;
            expectData(await api.POST("/v1/retention", { body: { reason, person } }));
            await queries.invalidateQueries({ queryKey: retentionQuery.queryKey });
          }}
        />
      )}
    </Paper>
  );
}
