import { Button, Group, List, NativeSelect, SimpleGrid, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { AgreementMetrics, Kappa, Share } from "../api/types";
import { useFormat, useServerText } from "../i18n/format";
import { QueryView } from "../shell/QueryView";
import { studiesQuery } from "../study/studyQueries";
import { ChartCard } from "./ChartCard";
import { NewStudy } from "./NewStudy";
import type { Period } from "./period";
import { agreementQuery } from "./qualityQueries";
import { StudyComparison } from "./StudyComparison";

/** How far people agree with themselves, each other, the truth and the model. */
export function AgreementCard({ period, line }: { period: Period; line: string | null }) {
  const { t } = useTranslation();
  const [study, setStudy] = useState<string | null>(null);
  const [planning, setPlanning] = useState(false);
  const studies = useQuery(studiesQuery);
  const query = useQuery(agreementQuery(period, line, study));
  return (
    <ChartCard title={t("agreement.title")}>
      <Group mb="sm">
        <NativeSelect
          aria-label={t("agreement.source")}
          value={study ?? ""}
          onChange={(event) => setStudy(event.currentTarget.value === "" ? null : event.currentTarget.value)}
          data={[
            { value: "", label: t("agreement.reviews") },
            ...(studies.data ?? []).map(({ id, name }) => ({ value: id, label: t("agreement.study", { name }) })),
          ]}
        />
        <Button variant="default" onClick={() => setPlanning(true)}>
          {t("agreement.plan")}
        </Button>
      </Group>
      <QueryView query={query}>{(metrics) => <Agreement metrics={metrics} />}</QueryView>
      {study !== null && (
        <StudyComparison
          key={study}
          id={study}
          name={studies.data?.find(({ id }) => id === study)?.name ?? t("agreement.title")}
        />
      )}
      {planning && (
        <NewStudy
          onClose={() => setPlanning(false)}
          onMade={(id) => {
            setPlanning(false);
            setStudy(id);
          }}
        />
      )}
    </ChartCard>
  );
}

function Agreement({ metrics }: { metrics: AgreementMetrics }) {
  const { t } = useTranslation();
  const format = useFormat();
  const text = useServerText();
  const { comparison } = metrics;
  return (
    <>
      <SimpleGrid cols={{ base: 1, sm: 3 }} mb="md">
        <Cell label={t("agreement.between")} share={metrics.between} kappa={metrics.between_kappa} />
        <Cell label={t("agreement.allAgainst")} share={metrics.all_against} kappa={metrics.all_against_kappa} />
        <div>
          <Text size="sm" c="dimmed">
            {t("agreement.basis")}
          </Text>
          <Text>
            {t("agreement.counts", {
              parts: format.count(metrics.parts),
              people: format.count(metrics.people),
              trials: format.count(metrics.trials),
            })}
          </Text>
          {metrics.missing > 0 && (
            <Text size="sm">
              {t("agreement.missing", { count: metrics.missing, n: format.count(metrics.missing) })}
            </Text>
          )}
        </div>
      </SimpleGrid>
      {metrics.appraisers.length > 0 && (
        <Table.ScrollContainer minWidth={640}>
          <Table verticalSpacing="xs" tabularNums>
            <Table.Caption>{t("agreement.limits")}</Table.Caption>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t("agreement.who")}</Table.Th>
                <Table.Th ta="right">{t("agreement.within")}</Table.Th>
                <Table.Th ta="right">{t("agreement.kappa")}</Table.Th>
                <Table.Th ta="right">{t("agreement.effectiveness")}</Table.Th>
                <Table.Th ta="right">{t("agreement.miss")}</Table.Th>
                <Table.Th ta="right">{t("agreement.falseAlarm")}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {metrics.appraisers.map((one) => (
                <Table.Tr key={one.name ?? ""}>
                  <Table.Td fw={600}>
                    {one.name === null ? t("agreement.model") : t("agreement.person", { name: one.name })}
                  </Table.Td>
                  <Table.Td ta="right">
                    <ShareText share={one.within} />
                  </Table.Td>
                  <Table.Td ta="right">
                    <KappaText kappa={one.kappa} />
                  </Table.Td>
                  <Table.Td ta="right">
                    <ShareText share={one.effectiveness} />
                  </Table.Td>
                  <Table.Td ta="right">
                    <ShareText share={one.miss} />
                  </Table.Td>
                  <Table.Td ta="right">
                    <ShareText share={one.false_alarm} />
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
      {comparison !== null && (
        <>
          <Text fw={600} mt="sm">
            {t("agreement.comparison", { count: comparison.n, n: format.count(comparison.n) })}
          </Text>
          <Text size="sm">
            {(
              [
                ["both", comparison.both],
                ["onlyPeople", comparison.only_people],
                ["onlyModel", comparison.only_model],
                ["neither", comparison.neither],
              ] as const
            )
              .map(([name, count]) => t(`agreement.${name}`) + format.colon + format.count(count))
              .join(" · ")}
          </Text>
          {comparison.p !== null && (
            <Text size="sm">
              {t("models.mcnemar", { p: comparison.p < 0.001 ? "< 0.001" : format.number(comparison.p, 3) })}
            </Text>
          )}
        </>
      )}
      <List size="sm" mt="sm">
        {metrics.notes.map((note) => (
          <List.Item key={note.en}>{text(note)}</List.Item>
        ))}
      </List>
    </>
  );
}

function Cell({ label, share, kappa }: { label: string; share: Share | null; kappa: Kappa | null }) {
  const { t } = useTranslation();
  return (
    <div>
      <Text size="sm" c="dimmed">
        {label}
      </Text>
      <ShareText share={share} />
      {kappa !== null && (
        <Text size="sm" component="div">
          {t("agreement.kappa")} <KappaText kappa={kappa} />
        </Text>
      )}
    </div>
  );
}

function ShareText({ share }: { share: Share | null }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (share === null || share.value === null || share.low === null || share.high === null) {
    return <Text c="dimmed">{t("quality.unknown")}</Text>;
  }
  return (
    <>
      <Text fw={650}>
        {format.percent(share.value)} ({share.hits}/{share.n})
      </Text>
      <Text size="sm" c="dimmed">
        {format.percent(share.low, 0)} – {format.percent(share.high, 0)}
      </Text>
    </>
  );
}

function KappaText({ kappa }: { kappa: Kappa | null }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (kappa === null) {
    return <Text c="dimmed">{t("quality.unknown")}</Text>;
  }
  return (
    <>
      <Text fw={650}>{format.number(kappa.value)}</Text>
      <Text size="sm" c="dimmed">
        {format.number(kappa.low)} – {format.number(kappa.high)}
      </Text>
    </>
  );
}
