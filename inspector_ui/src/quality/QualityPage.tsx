import "@mantine/charts/styles.css";
import { NativeSelect, SegmentedControl, SimpleGrid } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Icon } from "../icons/Icon";
import { Notice } from "../shell/Notice";
import { Page } from "../shell/Page";
import { QueryView } from "../shell/QueryView";
import { AgreementCard } from "./AgreementCard";
import { BiasCard } from "./BiasCard";
import { EscapeCard } from "./EscapeCard";
import { FigureTable } from "./FigureTable";
import { KeyFigures } from "./KeyFigures";
import { MixChart } from "./MixChart";
import { OutcomeChart } from "./OutcomeChart";
import { ParetoChart } from "./ParetoChart";
import { type PeriodName, periods } from "./period";
import { escapesQuery, qualityQuery, throughputQuery } from "./qualityQueries";
import { SpcCard } from "./SpcCard";
import { ThroughputTable } from "./ThroughputTable";

/** How good the parts and the flags are, over time. */
export default function QualityPage() {
  const { t } = useTranslation();
  const [periodName, setPeriodName] = useState<PeriodName>("lastHour");
  const [line, setLine] = useState<string | null>(null);
  const period = periods.find(({ name }) => name === periodName) ?? periods[0];
  const quality = useQuery(qualityQuery(period, line));
  const escapes = useQuery(escapesQuery(period, line));
  const throughput = useQuery(throughputQuery(period));
  const lines = throughput.data?.lines.map((each) => each.line) ?? [];
  return (
    <Page
      title={t("quality.title")}
      controls={
        <>
          <NativeSelect
            aria-label={t("quality.line")}
            value={line ?? ""}
            onChange={(event) => setLine(event.currentTarget.value === "" ? null : event.currentTarget.value)}
            data={[
              { value: "", label: t("quality.allLines") },
              ...[...new Set(line === null ? lines : [line, ...lines])].map((name) => ({ value: name, label: name })),
            ]}
          />
          <SegmentedControl
            aria-label={t("quality.period")}
            value={periodName}
            onChange={(value) => setPeriodName(value as PeriodName)}
            data={periods.map(({ name }) => ({ value: name, label: t(`quality.${name}`) }))}
          />
        </>
      }
    >
      <QueryView query={quality}>
        {(data) =>
          data.inspected === 0 ? (
            <Notice art={<Icon name="screen" size={64} />} title={t("quality.empty")} hint={t("quality.emptyHint")} />
          ) : (
            <>
              <KeyFigures metrics={data} />
              <SimpleGrid cols={{ base: 1, md: 2 }} mt="md">
                <MixChart metrics={data} />
                <OutcomeChart metrics={data} />
                <ParetoChart metrics={data} period={period} line={line} />
                <QueryView query={throughput}>
                  {(answer) => <ThroughputTable throughput={answer} line={line} />}
                </QueryView>
              </SimpleGrid>
              <QueryView query={escapes}>{(answer) => <EscapeCard escapes={answer} />}</QueryView>
              <SimpleGrid cols={1} mt="md">
                <SpcCard line={line} />
                <FigureTable period={period} line={line} />
                <AgreementCard period={period} line={line} />
                <BiasCard period={period} line={line} />
              </SimpleGrid>
            </>
          )
        }
      </QueryView>
    </Page>
  );
}
