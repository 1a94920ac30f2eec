import { ActionIcon, Badge, Paper, Table, Text, Title } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { RoiInput, RoiScenario } from "../api/types";
import { useFormat, useServerText } from "../i18n/format";
import { Icon } from "../icons/Icon";
import { useMay } from "../who/WhoProvider";
import { EditAssumption } from "./EditAssumption";
import classes from "./Table.module.css";
import { useRoiWording } from "./wording";

/** Every number that the figures rest on: assumed or measured, where it comes from, who put it down, and a way to change it. */
export function InputsTable({ scenario: { inputs, odds } }: { scenario: RoiScenario }) {
  const { t } = useTranslation();
  const format = useFormat();
  const text = useServerText();
  const words = useRoiWording();
  const mayChange = useMay("plan");
  const [edited, setEdited] = useState<RoiInput | null>(null);
  return (
    <Paper p="md" mt="md">
      <Title order={2} size="h4" mb="sm">
        {t("roi.inputs")}
      </Title>
      <Table.ScrollContainer minWidth={1100}>
        <Table verticalSpacing={6} striped tabularNums>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t("roi.input")}</Table.Th>
              <Table.Th ta="right">{t("roi.value")}</Table.Th>
              <Table.Th ta="right">{t("roi.assumedValue")}</Table.Th>
              <Table.Th ta="right">{t("roi.spread")}</Table.Th>
              <Table.Th>{t("roi.kind")}</Table.Th>
              <Table.Th ta="right">{t("roi.n")}</Table.Th>
              <Table.Th>{t("roi.source")}</Table.Th>
              <Table.Th>{t("roi.author")}</Table.Th>
              {mayChange && <Table.Th w={50} />}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {inputs.map((input) => (
              <Table.Tr key={input.key} data-testid={`input-${input.key}`}>
                <Table.Td fw={600} className={classes.name}>
                  {words.input(input.key)}
                </Table.Td>
                <Table.Td ta="right">
                  <strong>{format.number(input.value, 4)}</strong>{" "}
                  <span style={{ color: "var(--quiet)", fontSize: 13 }}>{text(input.unit)}</span>
                </Table.Td>
                <Table.Td ta="right">{format.number(input.assumed_value, 4)}</Table.Td>
                <Table.Td ta="right" className={classes.name}>
                  {odds.certain.includes(input.key) ? (
                    <Text span size="sm" c="dimmed" title={t("roi.certainHint")}>
                      {t("roi.certainMark")}
                    </Text>
                  ) : input.low === null || input.high === null ? (
                    "–"
                  ) : (
                    t("roi.to", { low: format.number(input.low, 4), high: format.number(input.high, 4) })
                  )}
                </Table.Td>
                <Table.Td>
                  <Badge
                    variant={input.kind === "measured" ? "filled" : "outline"}
                    color="steel"
                    tt="none"
                    miw="max-content"
                  >
                    {t(input.kind === "measured" ? "roi.measuredKind" : "roi.assumed")}
                  </Badge>
                </Table.Td>
                <Table.Td ta="right">{input.n === null ? "–" : format.count(input.n)}</Table.Td>
                <Table.Td fz="sm" c="dimmed">
                  {text(input.source)}
                </Table.Td>
                <Table.Td fz="sm">
                  {input.author}
                  {input.version !== null && input.changed_at !== null && (
                    <Text size="xs" c="dimmed" className={classes.name} title={input.reason ?? undefined}>
                      {t("roi.version", { n: input.version, time: format.date(input.changed_at) })}
                    </Text>
                  )}
                </Table.Td>
                {mayChange && (
                  <Table.Td>
                    <ActionIcon
                      aria-label={t("roi.edit", { name: words.input(input.key) })}
                      onClick={() => setEdited(input)}
                    >
                      <Icon name="note" />
                    </ActionIcon>
                  </Table.Td>
                )}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {edited && <EditAssumption input={edited} onClose={() => setEdited(null)} />}
    </Paper>
  );
}
