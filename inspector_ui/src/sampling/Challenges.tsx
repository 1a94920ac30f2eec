import { Button, Group, Paper, Radio, Stack, Table, Text, TextInput, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import { useFormat } from "../i18n/format";
import { Refusal } from "../people/Refusal";
import { PersonInput } from "../reviewer/PersonInput";
import { useReviewer } from "../reviewer/reviewer";
import { QueryView } from "../shell/QueryView";
import { challengesQuery } from "./samplingQueries";

/** Parts whose truth is known, to be put on the line to try model and people. */
export function Challenges() {
  const { t } = useTranslation();
  const format = useFormat();
  const query = useQuery(challengesQuery);
  return (
    <Paper p="md" component="section" data-testid="challenges">
      <Title order={2} size="h4" mb={4}>
        {t("sampling.challenges")}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t("sampling.challengesHint")}
      </Text>
      <AddChallenge />
      <QueryView query={query}>
        {(challenges) =>
          challenges.length === 0 ? (
            <Text c="dimmed" mt="md">
              {t("sampling.noChallenges")}
            </Text>
          ) : (
            <Table.ScrollContainer minWidth={420} maxHeight={420} mt="md">
              <Table verticalSpacing={6} stickyHeader>
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>{t("sampling.part")}</Table.Th>
                    <Table.Th>{t("sampling.truth")}</Table.Th>
                    <Table.Th>{t("sampling.class")}</Table.Th>
                    <Table.Th>{t("sampling.named")}</Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {challenges.map((one) => (
                    <Table.Tr key={one.part_id}>
                      <Table.Td fw={600}>{one.part_id}</Table.Td>
                      <Table.Td>{t(one.defective ? "study.defective" : "study.good")}</Table.Td>
                      <Table.Td>{one.defect_class ?? "–"}</Table.Td>
                      <Table.Td>
                        {format.date(one.registered_at)} · {one.person}
                      </Table.Td>
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

function AddChallenge() {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [reviewer, setReviewer] = useReviewer();
  const [typed, setTyped] = useState("");
  // whoever became known elsewhere on the page meanwhile, too
  const person = reviewer === "" ? typed : reviewer;
  const [part, setPart] = useState("");
  const [truth, setTruth] = useState<"defective" | "good">("defective");
  const [defectClass, setDefectClass] = useState("");
  const add = useMutation({
    mutationFn: async () =>
      expectData(
        await api.PUT("/v1/challenges/{part_id}", {
          params: { path: { part_id: part.trim() } },
          body: {
            defective: truth === "defective",
            defect_class: truth === "good" || defectClass.trim() === "" ? null : defectClass.trim(),
            note: "",
            person: person.trim(),
          },
        }),
      ),
    onSuccess: async () => {
      setPart("");
      if (reviewer === "") {
        setReviewer(person.trim());
      }
      await queries.invalidateQueries({ queryKey: challengesQuery.queryKey });
    },
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        add.mutate();
      }}
    >
      <Stack gap="sm">
        <Group grow align="end">
          <TextInput
            label={t("sampling.part")}
            value={part}
            maxLength={128}
            onChange={(event) => setPart(event.currentTarget.value)}
          />
          <TextInput
            label={t("sampling.class")}
            value={truth === "good" ? "" : defectClass}
            disabled={truth === "good"}
            maxLength={128}
            onChange={(event) => setDefectClass(event.currentTarget.value)}
          />
        </Group>
        <Group justify="space-between" align="end">
          <Radio.Group
            label={t("sampling.truth")}
            value={truth}
            onChange={(value) => setTruth(value as "defective" | "good")}
          >
            <Group mt={4} mih={44}>
              <Radio value="defective" label={t("study.defective")} />
              <Radio value="good" label={t("study.good")} />
            </Group>
          </Radio.Group>
          {reviewer === "" && <PersonInput person={typed} onChange={setTyped} />}
          <Button type="submit" loading={add.isPending} disabled={part.trim() === "" || person.trim() === ""}>
            {t("sampling.add")}
          </Button>
        </Group>
        <Refusal error={add.error} />
      </Stack>
    </form>
  );
}
