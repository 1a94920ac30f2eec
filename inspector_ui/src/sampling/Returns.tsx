import { Alert, Group, Paper, Table, Text, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { csvBody } from "../api/csvBody";
import { expectData } from "../api/problem";
import { useFormat } from "../i18n/format";
import { Icon } from "../icons/Icon";
import { Refusal } from "../people/Refusal";
import { CsvInput } from "../reason/CsvInput";
import { PersonInput } from "../reviewer/PersonInput";
import { useReviewer } from "../reviewer/reviewer";
import { QueryView } from "../shell/QueryView";
import { returnsQuery } from "./samplingQueries";

const EXAMPLE = {
  name: "returns.csv",
  content: "part_id,found_at,defect_class,cost,note\nP-1,2026-11-20T08:00:00Z,crack,250,came back with a crack\n",
};

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
        {t("sampling.returnsHint")}
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
  const [typed, setTyped] = useState("");
  // whoever became known elsewhere on the page meanwhile, too
  const person = reviewer === "" ? typed : reviewer;
  const [file, setFile] = useState<File | null>(null);
  const upload = useMutation({
    mutationFn: async (chosen: File) =>
      expectData(
        await api.POST("/v1/returns/csv", {
          params: { query: { person: person.trim() } },
          ...csvBody(await chosen.text()),
        }),
      ),
    onSuccess: async () => await queries.invalidateQueries({ queryKey: returnsQuery.queryKey }),
  });
  const { data } = upload;
  return (
    <>
      <Group align="start">
        {reviewer === "" && <PersonInput person={typed} onChange={setTyped} />}
        <CsvInput
          file={file}
          example={EXAMPLE}
          disabled={upload.isPending || person.trim() === ""}
          onChange={(chosen) => {
            setFile(chosen);
            if (chosen !== null) {
              upload.mutate(chosen);
            }
          }}
        />
      </Group>
      <Refusal error={upload.error} />
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
