import { Button, Group, NativeSelect, Paper, SimpleGrid, Table, Text, TextInput, Title } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import type { Baseline } from "../api/types";
import { useFormat } from "../i18n/format";
import { ReasonDialog } from "../reason/ReasonDialog";
import { QueryView } from "../shell/QueryView";
import { useMay } from "../who/WhoProvider";
import { baselinesQuery, shadowRunsQuery } from "./beforeQueries";

const KINDS = ["HISTORY", "SESSION", "SHADOW"] as const satisfies readonly Baseline["kind"][];

/** The frozen periods, and freezing another. */
export function BaselinesCard() {
  const { t } = useTranslation();
  const format = useFormat();
  const mayPlan = useMay("plan");
  const [freezing, setFreezing] = useState(false);
  const query = useQuery(baselinesQuery);
  return (
    <Paper p="md" component="section" data-testid="baselines">
      <Group justify="space-between" gap="sm">
        <Title order={2} size="h4">
          {t("before.baselines")}
        </Title>
        {mayPlan && (
          <Button variant="default" onClick={() => setFreezing(true)}>
            {t("before.freeze")}
          </Button>
        )}
      </Group>
      <Text size="sm" c="dimmed" mb="xs">
        {t("before.baselinesHint")}
      </Text>
      <QueryView query={query}>
        {(baselines) =>
          baselines.length === 0 ? (
            <Text c="dimmed">{t("before.noBaselines")}</Text>
          ) : (
            <Table.ScrollContainer minWidth={760} scrollAreaProps={{ viewportProps: { tabIndex: 0 } }}>
              <Table verticalSpacing="xs" tabularNums>
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>{t("before.name")}</Table.Th>
                    <Table.Th>{t("before.kind")}</Table.Th>
                    <Table.Th>{t("before.period")}</Table.Th>
                    <Table.Th ta="right">{t("before.inspected")}</Table.Th>
                    <Table.Th>{t("before.lines")}</Table.Th>
                    <Table.Th>{t("before.frozenBy")}</Table.Th>
                    <Table.Th>{t("reason.label")}</Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {baselines.map((one) => (
                    <Table.Tr key={one.id}>
                      <Table.Td fw={600}>{one.name}</Table.Td>
                      <Table.Td>{t(`before.kinds.${one.kind}`)}</Table.Td>
                      <Table.Td>{t("before.span", { first: one.first_day, last: one.last_day })}</Table.Td>
                      <Table.Td ta="right">
                        {format.count(one.counts.reduce((sum, { inspected }) => sum + inspected, 0))}
                      </Table.Td>
                      <Table.Td>{[...new Set(one.counts.map(({ line }) => line))].join(", ")}</Table.Td>
                      <Table.Td>
                        {one.person}, {format.dateTime(one.frozen_at)}
                      </Table.Td>
                      <Table.Td>{one.reason}</Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
          )
        }
      </QueryView>
      {freezing && <Freeze onClose={() => setFreezing(false)} />}
    </Paper>
  );
}

function Freeze({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [kind, setKind] = useState<Baseline["kind"]>("HISTORY");
  const [first, setFirst] = useState("");
  const [last, setLast] = useState("");
  const [shadow, setShadow] = useState<number | null>(null);
  const ofShadow = kind === "SHADOW";
  return (
    <ReasonDialog
      title={t("before.freeze")}
      hint={t("before.freezeHint")}
      action={t("before.freeze")}
      incomplete={name.trim() === "" || (ofShadow ? shadow === null : first === "" || last === "")}
      onClose={onClose}
      perform={async ({ reason, person }) => {
        const body = {
          name: name.trim(),
          kind,
          first_day: ofShadow ? null : first,
          last_day: ofShadow ? null : last,
          shadow: ofShadow ? shadow : null,
          reason,
          person,
        };
        expectData(await api.POST("/v1/baselines", { body }));
        await queries.invalidateQueries({ queryKey: baselinesQuery.queryKey });
      }}
    >
      <TextInput
        label={t("before.name")}
        value={name}
        maxLength={128}
        onChange={(event) => setName(event.currentTarget.value)}
      />
      <NativeSelect
        label={t("before.kind")}
        value={kind}
        data={KINDS.map((value) => ({ value, label: t(`before.kinds.${value}`) }))}
        onChange={(event) => setKind(KINDS.find((each) => each === event.currentTarget.value) ?? "HISTORY")}
      />
      {ofShadow ? (
        <ShadowRunSelect chosen={shadow} onChoose={setShadow} />
      ) : (
        <SimpleGrid cols={2}>
          <TextInput
            type="date"
            label={t("before.firstDay")}
            value={first}
            onChange={(event) => setFirst(event.currentTarget.value)}
          />
          <TextInput
            type="date"
            label={t("before.lastDay")}
            value={last}
            onChange={(event) => setLast(event.currentTarget.value)}
          />
        </SimpleGrid>
      )}
    </ReasonDialog>
  );
}

function ShadowRunSelect({ chosen, onChoose }: { chosen: number | null; onChoose: (run: number | null) => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const query = useQuery(shadowRunsQuery);
  return (
    <QueryView query={query}>
      {(runs) => {
        const ended = runs.flatMap(({ ended_at, ...run }) => (ended_at === null ? [] : [{ ...run, ended_at }]));
        return ended.length === 0 ? (
          <Text c="dimmed">{t("before.noShadowRuns")}</Text>
        ) : (
          <NativeSelect
            label={t("before.shadow")}
            value={chosen ?? ""}
            data={[
              { value: "", label: t("before.chooseShadow") },
              ...ended.map((run) => ({
                value: String(run.number),
                label: `${run.name} ${run.version}: ${t("before.span", {
                  first: format.dateTime(run.started_at),
                  last: format.dateTime(run.ended_at),
                })}`,
              })),
            ]}
            onChange={({ currentTarget: { value } }) => onChoose(value === "" ? null : Number(value))}
          />
        );
      }}
    </QueryView>
  );
}
