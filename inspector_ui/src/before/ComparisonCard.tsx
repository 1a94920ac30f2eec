import {
  Alert,
  List,
  NativeSelect,
  Paper,
  SegmentedControl,
  SimpleGrid,
  Table,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Comparison, Rate } from "../api/types";
import { useFormat, useServerText } from "../i18n/format";
import { Icon } from "../icons/Icon";
import { QueryView } from "../shell/QueryView";
import { baselinesQuery, comparisonQuery, type Later } from "./beforeQueries";

/** Later days against a frozen baseline, with what the data cannot support. */
export function ComparisonCard() {
  const { t } = useTranslation();
  const baselines = useQuery(baselinesQuery).data ?? [];
  const [asked, setAsked] = useState<Later>({ id: "", first_day: "", last_day: "", after: "measured" });
  const later = { ...asked, id: asked.id || (baselines[0]?.id ?? "") };
  const query = useQuery(comparisonQuery(later));
  if (baselines.length === 0) {
    return null;
  }
  const day = (name: "first_day" | "last_day") => ({
    type: "date",
    value: asked[name],
    onChange: (event: { currentTarget: { value: string } }) => {
      const { value } = event.currentTarget;
      setAsked((before) => ({ ...before, [name]: value }));
    },
  });
  return (
    <Paper p="md" component="section" data-testid="comparison">
      <Title order={2} size="h4">
        {t("before.comparison")}
      </Title>
      <Text size="sm" c="dimmed" mb="xs">
        {t("before.comparisonHint")}
      </Text>
      <SimpleGrid cols={{ base: 1, xs: 2, lg: 4 }} mb="md">
        <NativeSelect
          label={t("before.baseline")}
          value={later.id}
          data={baselines.map(({ id, name }) => ({ value: id, label: name }))}
          onChange={(event) => {
            const { value } = event.currentTarget;
            setAsked((before) => ({ ...before, id: value }));
          }}
        />
        <TextInput label={t("before.afterFirst")} {...day("first_day")} />
        <TextInput label={t("before.afterLast")} {...day("last_day")} />
        <div>
          <Text size="sm" fw={500} mb={2} id="after-from">
            {t("before.afterFrom")}
          </Text>
          <SegmentedControl
            fullWidth
            aria-labelledby="after-from"
            value={asked.after}
            onChange={(value) =>
              setAsked((before) => ({ ...before, after: value === "history" ? "history" : "measured" }))
            }
            data={[
              { value: "measured", label: t("before.measured") },
              { value: "history", label: t("before.imported") },
            ]}
          />
        </div>
      </SimpleGrid>
      {asked.first_day !== "" && asked.last_day !== "" ? (
        <QueryView query={query}>{(comparison) => <Result comparison={comparison} />}</QueryView>
      ) : (
        <Text c="dimmed">{t("before.chooseDays")}</Text>
      )}
    </Paper>
  );
}

function Result({ comparison }: { comparison: Comparison }) {
  const { t } = useTranslation();
  const format = useFormat();
  const text = useServerText();
  const percent = (value: number) => format.percent(value, 2);
  const seconds = (value: number) => t("before.seconds", { value: format.number(value, 2) });
  const rate = ({ value, low, high, denominator, why_unknown }: Rate, shown: (value: number) => string) => (
    <>
      {value === null ? "–" : shown(value)}
      <Text size="xs" c="dimmed">
        {value === null || low === null || high === null
          ? why_unknown && text(why_unknown)
          : t("before.rateRests", {
              low: shown(low),
              high: shown(high),
              n: format.count(denominator),
            })}
      </Text>
    </>
  );
  return (
    <>
      <Text size="sm" mb="xs">
        {t("before.compared", { lines: comparison.lines.join(", ") || "–" })}
      </Text>
      <Table.ScrollContainer minWidth={640} scrollAreaProps={{ viewportProps: { tabIndex: 0 } }}>
        <Table verticalSpacing="xs" tabularNums>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t("before.rate")}</Table.Th>
              <Table.Th ta="right">{t("before.before")}</Table.Th>
              <Table.Th ta="right">{t("before.after")}</Table.Th>
              <Table.Th ta="right">{t("before.relative")}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {comparison.changes.map((change) => {
              const shown = change.key === "review_seconds" ? seconds : percent;
              return (
                <Table.Tr key={change.key} data-testid={`change-${change.key}`}>
                  <Table.Td fw={600}>{t(`before.rates.${change.key}`)}</Table.Td>
                  <Table.Td ta="right">{rate(change.before, shown)}</Table.Td>
                  <Table.Td ta="right">{rate(change.after, shown)}</Table.Td>
                  <Table.Td ta="right" fw={700}>
                    {change.relative === null ? t("before.untold") : format.change(change.relative, 1)}
                    {change.low !== null && change.high !== null && (
                      <Text size="xs" c="dimmed">
                        {t("before.interval", {
                          low: format.change(change.low, 1),
                          high: format.change(change.high, 1),
                        })}
                      </Text>
                    )}
                  </Table.Td>
                </Table.Tr>
              );
            })}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      <Caveats caveats={comparison.caveats.map(text)} />
    </>
  );
}

export function Caveats({ caveats }: { caveats: string[] }) {
  const { t } = useTranslation();
  return (
    caveats.length > 0 && (
      <Alert mt="sm" color="orange" icon={<Icon name="alert" />} title={t("before.caveats")}>
        <List size="sm" spacing={4}>
          {caveats.map((one) => (
            <List.Item key={one}>{one}</List.Item>
          ))}
        </List>
      </Alert>
    )
  );
}
