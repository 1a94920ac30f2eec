import { Alert, Button, FileButton, Group, List, Paper, Table, Text, TextInput, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import { useFormat } from "../i18n/format";
import { Icon } from "../icons/Icon";
import { useReviewer } from "../reviewer/reviewer";
import { QueryView } from "../shell/QueryView";
import { returnsQuery } from "./samplingQueries";

/** Parts found defective after they were shipped: the list, and a table to add. */
export function Returns() {
  const { t } = useTranslation();
  const format = useFormat();
  const query = useQuery(returnsQuery);
  return (
    <Paper p="md" component="section" data-testid="returns">
      <Title order={2} size="h4" mb={4}>
        {t("sampling.returns")}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t("sampling.returnsHint")} <code>part_id, found_at, defect_class, cost, note</code>
      </Text>
      <Import />
      <QueryView query={query}>
        {(returns) =>
          returns.length === 0 ? (
            <Text c="dimmed" mt="md">
              {t("sampling.noReturns")}
            </Text>
          ) : (
            <Table.ScrollContainer minWidth={420} maxHeight={420} mt="md">
              <Table verticalSpacing={6} stickyHeader tabularNums>
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>{t("sampling.part")}</Table.Th>
                    <Table.Th>{t("sampling.found")}</Table.Th>
                    <Table.Th>{t("sampling.class")}</Table.Th>
                    <Table.Th ta="right">{t("sampling.cost")}</Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {returns.map((one) => (
                    <Table.Tr key={one.part_id}>
                      <Table.Td fw={600}>{one.part_id}</Table.Td>
                      <Table.Td>{format.date(one.found_at)}</Table.Td>
                      <Table.Td>{one.defect_class ?? "–"}</Table.Td>
                      <Table.Td ta="right">{typeof one.cost === "number" ? format.number(one.cost) : "–"}</Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
          )
        }
      </QueryView>
    </Paper>
  );
}

function Import() {
  const { t } = useTranslation();
  const format = useFormat();
  const queries = useQueryClient();
  const [reviewer] = useReviewer();
  const [person, setPerson] = useState(reviewer);
  const upload = useMutation({
    mutationFn: async (file: File) =>
      expectData(
        await api.POST("/v1/returns/csv", {
          params: { query: { person: person.trim() } },
          body: await file.text(),
          bodySerializer: (text) => text,
          headers: { "Content-Type": "text/csv" },
        }),
      ),
    onSuccess: async () => await queries.invalidateQueries({ queryKey: returnsQuery.queryKey }),
  });
  const { data } = upload;
  return (
    <>
      <Group align="end">
        {reviewer === "" && (
          <TextInput
            label={t("sampling.by")}
            value={person}
            maxLength={128}
            onChange={(event) => setPerson(event.currentTarget.value)}
          />
        )}
        <FileButton accept=".csv,text/csv" onChange={(file) => file !== null && upload.mutate(file)}>
          {(props) => (
            <Button
              {...props}
              variant="default"
              leftSection={<Icon name="upload" />}
              loading={upload.isPending}
              disabled={person.trim() === ""}
            >
              {t("sampling.import")}
            </Button>
          )}
        </FileButton>
      </Group>
      {upload.isError && (
        <Alert color="red" icon={<Icon name="alert" />} role="alert" mt="sm" title={t("sampling.refused")}>
          <List size="sm" lang="en">
            {upload.error.message.split("; ").map((line) => (
              <List.Item key={line}>{line}</List.Item>
            ))}
          </List>
        </Alert>
      )}
      {data !== undefined && (
        <Alert color="teal" icon={<Icon name="check" />} role="status" mt="sm">
          {t("sampling.added", {
            added: format.count(data.added),
            known: format.count(data.known_before),
            missing: format.count(data.not_inspected),
            passed: format.count(data.passed),
          })}
        </Alert>
      )}
    </>
  );
}
