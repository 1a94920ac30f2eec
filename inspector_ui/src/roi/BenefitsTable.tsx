import { Paper, Table, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { RoiLine, RoiReport } from "../api/types";
import { useFormat, useServerText } from "../i18n/format";
import classes from "./Table.module.css";
import { useRoiWording } from "./wording";

/** Every benefit and cost, case study beside measured, with the formula of the measured figure. */
export function BenefitsTable({ report }: { report: RoiReport }) {
  const { t } = useTranslation();
  const { case_study: caseStudy, measured, currency } = report;
  const format = useFormat();
  const money = (value: number) => format.money(value, currency);
  return (
    <Paper p="md" mt="md">
      <Title order={2} size="h4" mb="sm">
        {t("roi.table")}
      </Title>
      <Table.ScrollContainer minWidth={1000}>
        <Table verticalSpacing="xs" tabularNums>
          <Table.Thead>
            <Table.Tr>
              <Table.Th rowSpan={2} className={classes.name}>
                {t("roi.item")}
              </Table.Th>
              <Table.Th rowSpan={2}>{t("roi.category")}</Table.Th>
              <Table.Th colSpan={2} ta="center">
                {t("roi.runRate")}
              </Table.Th>
              <Table.Th colSpan={2} ta="center">
                {t("roi.firstYear")}
              </Table.Th>
              <Table.Th rowSpan={2}>{t("roi.formula")}</Table.Th>
            </Table.Tr>
            <Table.Tr>
              <Table.Th ta="right">{t("roi.caseStudy")}</Table.Th>
              <Table.Th ta="right">{t("roi.measuredShort")}</Table.Th>
              <Table.Th ta="right">{t("roi.caseStudy")}</Table.Th>
              <Table.Th ta="right">{t("roi.measuredShort")}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            <Lines lines={caseStudy.benefits} others={measured.benefits} money={money} />
            <Total
              word={t("roi.benefits")}
              caseStudy={caseStudy.first_year_benefit}
              measured={measured.first_year_benefit}
              money={money}
            />
            <Lines lines={caseStudy.costs} others={measured.costs} money={money} />
            <Total
              word={t("roi.costs")}
              caseStudy={caseStudy.first_year_cost}
              measured={measured.first_year_cost}
              money={money}
            />
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Paper>
  );
}

interface LinesProps {
  lines: RoiLine[];
  others: RoiLine[];
  money: (value: number) => string;
}

function Lines({ lines, others, money }: LinesProps) {
  const { t } = useTranslation();
  const text = useServerText();
  const words = useRoiWording();
  return lines.map((line) => {
    const other = others.find((each) => each.key === line.key);
    return (
      <Table.Tr key={line.key}>
        <Table.Td fw={600} className={classes.name}>
          {words.line(line.key)}
        </Table.Td>
        <Table.Td className={classes.name}>{t(`roiCategory.${line.category}`)}</Table.Td>
        <Table.Td ta="right">{money(line.run_rate)}</Table.Td>
        <Table.Td ta="right">{other ? money(other.run_rate) : "–"}</Table.Td>
        <Table.Td ta="right">{money(line.first_year)}</Table.Td>
        <Table.Td ta="right">{other ? money(other.first_year) : "–"}</Table.Td>
        <Table.Td fz="sm" c="dimmed">
          {text((other ?? line).formula)}
        </Table.Td>
      </Table.Tr>
    );
  });
}

interface TotalProps {
  word: string;
  caseStudy: number;
  measured: number;
  money: (value: number) => string;
}

function Total({ word, caseStudy, measured, money }: TotalProps) {
  const { t } = useTranslation();
  const { colon } = useFormat();
  return (
    <Table.Tr fw={700} bg="var(--surface-sunken)">
      <Table.Td colSpan={4}>
        {word}
        {colon}
        {t("roi.total")}
      </Table.Td>
      <Table.Td ta="right">{money(caseStudy)}</Table.Td>
      <Table.Td ta="right">{money(measured)}</Table.Td>
      <Table.Td />
    </Table.Tr>
  );
}
