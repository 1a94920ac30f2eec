import { Alert, Button, Group, List, Table, Text, Title } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import type { StudyComparison as Compared } from "../api/types";
import { rounded, useFormat, useServerText } from "../i18n/format";
import { Icon } from "../icons/Icon";
import { ReasonDialog } from "../reason/ReasonDialog";
import { QueryView } from "../shell/QueryView";
import { useMay } from "../who/WhoProvider";
import { Interval } from "./Interval";
import { comparisonQuery } from "./qualityQueries";

/** People, the model, and people who saw what the model said, on the same parts. */
export function StudyComparison({ id, name }: { id: string; name: string }) {
  const { t } = useTranslation();
  const query = useQuery(comparisonQuery(id));
  return (
    <section data-testid="comparison">
      <Title order={3} size="h5" mt="md" mb={4}>
        {t("comparison.title")}
      </Title>
      <QueryView query={query}>{(compared) => <Tables compared={compared} name={name} />}</QueryView>
    </section>
  );
}

function Tables({ compared, name }: { compared: Compared; name: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const text = useServerText();
  const seconds = (value: number) => t("quality.seconds", { n: format.number(value, 1) });
  const points = (value: number) =>
    t("bias.points", { count: rounded(100 * value, 1), n: format.number(100 * value, 1) });
  return (
    <>
      <Text size="sm" c="dimmed">
        {t("comparison.basis", { defective: format.count(compared.defective), good: format.count(compared.good) })}
      </Text>
      <Table.ScrollContainer minWidth={680}>
        <Table verticalSpacing="xs" tabularNums>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t("agreement.who")}</Table.Th>
              <Table.Th>{t("comparison.sensitivity")}</Table.Th>
              <Table.Th>{t("comparison.specificity")}</Table.Th>
              <Table.Th>{t("comparison.seconds")}</Table.Th>
              <Table.Th>{t("comparison.test")}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {compared.readers.map((reader) => (
              <Table.Tr key={reader.who}>
                <Table.Td fw={600}>{t(`comparison.${reader.who}`)}</Table.Td>
                <Table.Td>
                  <Interval of={reader.sensitivity} from={0} to={1} />
                </Table.Td>
                <Table.Td>
                  <Interval of={reader.specificity} from={0} to={1} />
                </Table.Td>
                <Table.Td>{reader.seconds === null ? "–" : <Interval of={reader.seconds} write={seconds} />}</Table.Td>
                <Table.Td />
              </Table.Tr>
            ))}
            {compared.gaps.map((gap) => (
              <Table.Tr key={`${gap.first} ${gap.second}`}>
                <Table.Td>
                  {t("comparison.minus", {
                    first: t(`comparison.${gap.first}`),
                    second: t(`comparison.${gap.second}`),
                  })}
                </Table.Td>
                <Table.Td>
                  <Interval of={gap.sensitivity} from={-1} to={1} write={points} />
                </Table.Td>
                <Table.Td>
                  <Interval of={gap.specificity} from={-1} to={1} write={points} />
                </Table.Td>
                <Table.Td>{gap.seconds === null ? "–" : <Interval of={gap.seconds} write={seconds} />}</Table.Td>
                <Table.Td>
                  <Text size="sm">
                    {t("comparison.onlyRight", {
                      first: format.count(gap.right.only_people),
                      second: format.count(gap.right.only_model),
                    })}
                  </Text>
                  {gap.right.p !== null && (
                    <Text size="sm" c="dimmed">
                      p {gap.right.p < 0.001 ? "< 0.001" : `= ${format.number(gap.right.p, 3)}`}
                    </Text>
                  )}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      <List size="sm" mt="sm">
        {compared.notes.map((note) => (
          <List.Item key={note.en}>{text(note)}</List.Item>
        ))}
      </List>
      <Freeze compared={compared} name={name} />
    </>
  );
}

/** Keeps what escapes people alone as the "before" of later comparisons. */
function Freeze({ compared, name }: { compared: Compared; name: string }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const mayPlan = useMay("plan");
  const [asking, setAsking] = useState(false);
  const [frozen, setFrozen] = useState(false);
  if (!mayPlan) {
    return null;
  }
  return (
    <Group mt="sm">
      <Button variant="default" disabled={compared.missing > 0} onClick={() => setAsking(true)}>
        {t("comparison.freeze")}
      </Button>
      {frozen && (
        <Alert color="teal" icon={<Icon name="check" />} role="status">
          {t("comparison.frozen")}
        </Alert>
      )}
      {asking && (
        <ReasonDialog
          title={t("comparison.freeze")}
          hint={t("comparison.freezeHint")}
          action={t("comparison.freeze")}
          onClose={() => setAsking(false)}
          perform={async ({ reason, person }) => {
            expectData(
              await api.POST("/v1/baselines", {
                body: { name, kind: "STUDY", study: compared.study_id, reason, person },
              }),
            );
            setFrozen(true);
            await queries.invalidateQueries({ queryKey: ["baselines"] });
          }}
        />
      )}
    </Group>
  );
}
