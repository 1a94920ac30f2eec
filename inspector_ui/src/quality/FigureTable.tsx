import { NativeSelect, Table, Text, Tooltip } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { QualityFigure, QualityFigures } from "../api/types";
import { type Format, useFormat, useServerText } from "../i18n/format";
import { QueryView } from "../shell/QueryView";
import { ChartCard } from "./ChartCard";
import type { Period } from "./period";
import { figuresQuery, type GroupBy } from "./qualityQueries";

const GROUPS: readonly GroupBy[] = ["line", "station", "product", "lot", "shift", "model"];

/** Every figure with its interval, what it rests on, and why it is unknown; for everything, or for each line and so on. */
export function FigureTable({ period, line }: { period: Period; line: string | null }) {
  const { t } = useTranslation();
  const [by, setBy] = useState<GroupBy | null>(null);
  const query = useQuery(figuresQuery(period, line, by));
  return (
    <ChartCard title={t("figures.title")}>
      <NativeSelect
        aria-label={t("figures.by")}
        value={by ?? ""}
        mb="sm"
        maw={240}
        onChange={(event) => setBy(GROUPS.find((group) => group === event.currentTarget.value) ?? null)}
        data={[
          { value: "", label: t("figures.together") },
          ...GROUPS.map((group) => ({ value: group, label: t(`figures.${group}`) })),
        ]}
      />
      <QueryView query={query}>{(figures) => <Figures figures={figures} />}</QueryView>
    </ChartCard>
  );
}

function Figures({ figures }: { figures: QualityFigures }) {
  const { t } = useTranslation();
  const format = useFormat();
  const text = useServerText();
  const keys = figures.groups[0]?.figures.map((figure) => figure.key) ?? [];
  const alone = figures.groups.length === 1 ? figures.groups[0] : undefined;
  if (keys.length === 0) {
    return (
      <Text c="dimmed" py="xl" ta="center">
        {t("quality.nothingCounted")}
      </Text>
    );
  }
  return (
    <>
      <Table.ScrollContainer minWidth={Math.max(480, 220 + 150 * figures.groups.length)}>
        <Table verticalSpacing="xs" tabularNums data-testid="figures">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t("figures.figure")}</Table.Th>
              {figures.groups.map((group) => (
                <Table.Th key={group.name} ta="right">
                  {group.name === "" ? t("figures.value") : group.name}
                </Table.Th>
              ))}
              {alone && <Table.Th>{t("figures.restsOn")}</Table.Th>}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {keys.map((key, row) => (
              <Table.Tr key={key}>
                <Table.Td miw={140}>
                  <Text size="sm" fw={600}>
                    {t(`figure.${key}`)}
                  </Text>
                </Table.Td>
                {figures.groups.map((group) => {
                  const figure = group.figures[row];
                  return (
                    <Table.Td key={group.name} ta="right">
                      {figure && <Value figure={figure} currency={figures.currency} told={alone !== undefined} />}
                    </Table.Td>
                  );
                })}
                {alone && (
                  <Table.Td>
                    <Text size="sm" c="dimmed">
                      {alone.figures[row] && text(alone.figures[row].rests_on)}
                    </Text>
                  </Table.Td>
                )}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {figures.more > 0 && (
        <Text size="sm" c="dimmed">
          {t("figures.more", { count: figures.more, n: format.count(figures.more) })}
        </Text>
      )}
    </>
  );
}

interface ValueProps {
  figure: QualityFigure;
  currency: string;
  /** Whether what it rests on stands beside it. */
  told: boolean;
}

function Value({ figure, currency, told }: ValueProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const text = useServerText();
  if (figure.value === null) {
    return (
      <Text size="sm" c="dimmed">
        {figure.why_unknown === null ? t("quality.unknown") : text(figure.why_unknown)}
      </Text>
    );
  }
  const say = (value: number) => said(value, figure, currency, format, t("figures.s"));
  return (
    <Tooltip
      label={text(figure.rests_on)}
      multiline
      maw={320}
      disabled={told}
      events={{ hover: true, focus: true, touch: true }}
    >
      <div tabIndex={told ? undefined : 0}>
        <Text fw={650}>{say(figure.value)}</Text>
        {figure.low !== null && figure.high !== null && figure.low < figure.high && (
          <Text size="sm" c="dimmed">
            {say(figure.low)} – {say(figure.high)}
          </Text>
        )}
      </div>
    </Tooltip>
  );
}

function said(value: number, { unit }: QualityFigure, currency: string, format: Format, seconds: string): string {
  switch (unit) {
    case "share":
      return format.percent(value);
    case "seconds":
      return `${format.number(value)} ${seconds}`;
    case "money":
      return format.money(value, currency);
    default:
      return format.count(value);
  }
}
