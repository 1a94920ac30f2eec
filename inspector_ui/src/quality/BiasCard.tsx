import { BarChart } from "@mantine/charts";
import { List, SimpleGrid, Table, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { BiasMetrics } from "../api/types";
import { rounded, useFormat, useServerText } from "../i18n/format";
import { QueryView } from "../shell/QueryView";
import { VerdictBadge } from "../verdict/VerdictBadge";
import { ChartCard } from "./ChartCard";
import { Interval } from "./Interval";
import type { Period } from "./period";
import { biasQuery } from "./qualityQueries";

/** Whether people follow the model rather than their eyes. */
export function BiasCard({ period, line }: { period: Period; line: string | null }) {
  const { t } = useTranslation();
  const query = useQuery(biasQuery(period, line));
  return (
    <div data-testid="bias">
      <ChartCard title={t("bias.title")}>
        <QueryView query={query}>{(metrics) => <Bias metrics={metrics} />}</QueryView>
      </ChartCard>
    </div>
  );
}

function Bias({ metrics }: { metrics: BiasMetrics }) {
  const { t } = useTranslation();
  const format = useFormat();
  const text = useServerText();
  const { gap, agreed_shown: shown, agreed_blind: blind } = metrics;
  const points = (value: number) =>
    t("bias.points", { count: rounded(100 * value, 1), n: format.number(100 * value, 1) });
  return (
    <>
      <Text size="sm" c="dimmed" mb="sm">
        {t("bias.hint")}
      </Text>
      <SimpleGrid cols={{ base: 1, xs: 3 }} mb="md">
        <Labelled label={t("bias.shown")}>
          <Interval of={shown} hits={shown.hits} from={0} to={1} />
        </Labelled>
        <Labelled label={t("bias.blind")}>
          <Interval of={blind} hits={blind.hits} from={0} to={1} />
        </Labelled>
        <Labelled label={t("bias.gap")}>
          <Interval
            of={{ ...gap, n: Math.min(shown.n, blind.n), needed: Math.max(shown.needed, blind.needed) }}
            from={-1}
            to={1}
            write={points}
          />
        </Labelled>
      </SimpleGrid>
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="xl">
        <div>
          <Heading>{t("bias.challenges")}</Heading>
          <Table verticalSpacing={4} tabularNums layout="fixed">
            <Table.Thead>
              <Table.Tr>
                <Table.Th />
                <Table.Th>{t("bias.people")}</Table.Th>
                <Table.Th>{t("agreement.model")}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {(["caught", "cleared"] as const).map((name) => (
                <Table.Tr key={name}>
                  <Table.Th scope="row" fw={400}>
                    {t(`bias.${name}`)}
                  </Table.Th>
                  <Table.Td>
                    <Interval of={metrics[name]} hits={metrics[name].hits} />
                  </Table.Td>
                  <Table.Td>
                    <Interval of={metrics[`model_${name}`]} hits={metrics[`model_${name}`].hits} />
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
          <Heading>{t("bias.second")}</Heading>
          <Interval of={metrics.second} hits={metrics.second.hits} />
          <Text size="sm">
            {t("bias.secondSplit", {
              first: format.count(metrics.first_defect_only),
              second: format.count(metrics.second_defect_only),
            })}
          </Text>
          <Heading>{t("bias.switched")}</Heading>
          <Interval of={metrics.switched} hits={metrics.switched.hits} />
          <Text size="sm">
            {t("bias.switchedTo", {
              n: format.count(metrics.switched_to_model),
              of: format.count(metrics.switched.hits),
            })}
          </Text>
        </div>
        <div>
          <Heading>{t("bias.overrides")}</Heading>
          <Table verticalSpacing={4} tabularNums>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t("agreement.model")}</Table.Th>
                <Table.Th>{t("bias.seen")}</Table.Th>
                <Table.Th>{t("bias.against")}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {metrics.overrides.map(({ verdict, shown: seen, against }) => (
                <Table.Tr key={`${verdict} ${seen}`}>
                  <Table.Td>
                    <VerdictBadge verdict={verdict} />
                  </Table.Td>
                  <Table.Td>{t(seen ? "bias.withVerdict" : "bias.withoutVerdict")}</Table.Td>
                  <Table.Td>
                    <Interval of={against} hits={against.hits} />
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </div>
      </SimpleGrid>
      <Times metrics={metrics} />
      {metrics.people.length > 0 && <People metrics={metrics} />}
      <List size="sm" mt="sm">
        {metrics.notes.map((note) => (
          <List.Item key={note.en}>{text(note)}</List.Item>
        ))}
      </List>
    </>
  );
}

function Heading({ children }: { children: ReactNode }) {
  return (
    <Title order={3} size="h5" mt="md" mb={4}>
      {children}
    </Title>
  );
}

function Labelled({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div>
      <Text size="sm" fw={600}>
        {label}
      </Text>
      {children}
    </div>
  );
}

function Times({ metrics: { edges, times } }: { metrics: BiasMetrics }) {
  const { t } = useTranslation();
  const format = useFormat();
  const names = edges.map(
    (edge, index) => `${format.count(index === 0 ? 0 : (edges[index - 1] ?? 0))}–${format.count(edge)}`,
  );
  const labels = [...names, `≥ ${format.count(edges.at(-1) ?? 0)}`];
  const data = labels.map((label, index) => {
    const [shown, blind] = times.map(({ counts, n }) => (n === 0 ? 0 : (counts[index] ?? 0) / n));
    return { label, shown, blind };
  });
  return (
    <>
      <Heading>{t("bias.times")}</Heading>
      {times.map(({ shown, n, needed, p10, p50, p90 }) => (
        <Text key={String(shown)} size="sm">
          {t(shown ? "bias.withVerdict" : "bias.withoutVerdict")}
          {format.colon}
          {p10 === null || p50 === null || p90 === null
            ? t("bias.few", { n: format.count(n), needed: format.count(needed) })
            : t("bias.quantiles", {
                p10: format.number(p10, 1),
                p50: format.number(p50, 1),
                p90: format.number(p90, 1),
                n: format.count(n),
              })}
        </Text>
      ))}
      {times.some(({ n }) => n > 0) && (
        <BarChart
          h={200}
          mt="xs"
          data={data}
          dataKey="label"
          xAxisLabel={t("bias.seconds")}
          withLegend
          legendProps={{ verticalAlign: "top", itemSorter: null }}
          valueFormatter={(value) => format.percent(value)}
          series={[
            { name: "shown", label: t("bias.withVerdict"), color: "steel.6" },
            { name: "blind", label: t("bias.withoutVerdict"), color: "gray.5" },
          ]}
        />
      )}
    </>
  );
}

function People({ metrics: { people, people_shown: how } }: { metrics: BiasMetrics }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <>
      <Heading>{t("bias.each")}</Heading>
      {how === "pseudonyms" && (
        <Text size="sm" c="dimmed">
          {t("bias.pseudonyms")}
        </Text>
      )}
      <Table.ScrollContainer minWidth={640}>
        <Table verticalSpacing="xs" tabularNums>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t("agreement.who")}</Table.Th>
              <Table.Th ta="right">{t("bias.decisions")}</Table.Th>
              <Table.Th>{t("bias.shown")}</Table.Th>
              <Table.Th>{t("bias.blind")}</Table.Th>
              <Table.Th>{t("bias.caught")}</Table.Th>
              <Table.Th ta="right">{t("bias.median")}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {people.map((person) => (
              <Table.Tr key={person.name}>
                <Table.Td fw={600}>
                  {how === "names" ? person.name : t("agreement.person", { name: person.name })}
                </Table.Td>
                <Table.Td ta="right">{format.count(person.decisions)}</Table.Td>
                {[person.agreed_shown, person.agreed_blind, person.caught].map((share, place) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: three columns that never change places
                  <Table.Td key={place}>
                    <Interval of={share} hits={share.hits} />
                  </Table.Td>
                ))}
                <Table.Td ta="right">
                  {person.median_seconds === null
                    ? "–"
                    : t("quality.seconds", { n: format.number(person.median_seconds, 1) })}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </>
  );
}
