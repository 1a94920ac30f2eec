import { Button, Group, Paper, SimpleGrid, Table, Text, TextInput, Title } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import { useFormat } from "../i18n/format";
import { ReasonDialog } from "../reason/ReasonDialog";
import { QueryView } from "../shell/QueryView";
import { useMay } from "../who/WhoProvider";
import { rolloutsQuery } from "./beforeQueries";

/** From which day on the system decides on each line, and entering another. */
export function RolloutsCard() {
  const { t } = useTranslation();
  const format = useFormat();
  const queries = useQueryClient();
  const mayPlan = useMay("plan");
  const [adding, setAdding] = useState(false);
  const [line, setLine] = useState("");
  const [day, setDay] = useState("");
  const query = useQuery(rolloutsQuery);
  return (
    <Paper p="md" component="section" data-testid="rollouts">
      <Group justify="space-between" gap="sm">
        <Title order={2} size="h4">
          {t("before.rollouts")}
        </Title>
        {mayPlan && (
          <Button variant="default" onClick={() => setAdding(true)}>
            {t("before.rollOut")}
          </Button>
        )}
      </Group>
      <Text size="sm" c="dimmed" mb="xs">
        {t("before.rolloutsHint")}
      </Text>
      <QueryView query={query}>
        {(rollouts) =>
          rollouts.length === 0 ? (
            <Text c="dimmed">{t("before.noRollouts")}</Text>
          ) : (
            <Table verticalSpacing="xs" tabularNums>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{t("history.line")}</Table.Th>
                  <Table.Th>{t("before.fromDay")}</Table.Th>
                  <Table.Th>{t("before.enteredBy")}</Table.Th>
                  <Table.Th>{t("reason.label")}</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {rollouts.map((one) => (
                  <Table.Tr key={one.id}>
                    <Table.Td fw={600}>{one.line}</Table.Td>
                    <Table.Td>{one.day}</Table.Td>
                    <Table.Td>
                      {one.person}, {format.dateTime(one.set_at)}
                    </Table.Td>
                    <Table.Td>{one.reason}</Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          )
        }
      </QueryView>
      {adding && (
        <ReasonDialog
          title={t("before.rollOut")}
          hint={t("before.rollOutHint")}
          action={t("before.rollOut")}
          incomplete={line.trim() === "" || day === ""}
          onClose={() => setAdding(false)}
          perform={async ({ reason, person }) => {
            expectData(await api.POST("/v1/rollouts", { body: { line: line.trim(), day, reason, person } }));
            await queries.invalidateQueries({ queryKey: rolloutsQuery.queryKey });
            await queries.invalidateQueries({ queryKey: ["attribution"] });
          }}
        >
          <SimpleGrid cols={2}>
            <TextInput
              label={t("history.line")}
              value={line}
              maxLength={128}
              onChange={(event) => setLine(event.currentTarget.value)}
            />
            <TextInput
              type="date"
              label={t("before.fromDay")}
              value={day}
              onChange={(event) => setDay(event.currentTarget.value)}
            />
          </SimpleGrid>
        </ReasonDialog>
      )}
    </Paper>
  );
}
