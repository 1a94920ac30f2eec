import { Badge, Group, Paper, Progress, Table, Text, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { csvBody } from "../api/csvBody";
import { expectData } from "../api/problem";
import type { RankedCandidate, Ranking } from "../api/types";
import { useFormat, useServerText } from "../i18n/format";
import { Refusal } from "../people/Refusal";
import { CsvInput } from "../reason/CsvInput";
import classes from "./Table.module.css";

const EXAMPLE = {
  name: "candidates.csv",
  content:
    "name,volume,defective_rate,defective_rate_low,defective_rate_high,escape_rate,escape_cost,cost,run,labelled_images,defect_images,camera,strategic_fit\nline 3 final,2000000,0.01,0.005,0.02,0.2,300,200000,40000,2000,300,true,4\n",
};
const DRAWS = 100_000;

/** Where the next camera is worth most, how sure that is, and whether its data are ready. */
export function NextLine({ ranking: kept }: { ranking: Ranking | null }) {
  const { t } = useTranslation();
  const format = useFormat();
  const text = useServerText();
  const [file, setFile] = useState<File | null>(null);
  const upload = useMutation({
    mutationFn: async (chosen: File) =>
      expectData(
        await api.POST("/v1/roi/candidates/csv", {
          ...csvBody(await chosen.text()),
        }),
      ),
  });
  const ranking = upload.data ?? kept;
  const ends = ranking?.items.flatMap(({ p5, p95 }) => [p5, p95, 0]) ?? [];
  const low = Math.min(...ends);
  const high = Math.max(...ends);
  return (
    <Paper p="md" mt="md" data-testid="next-line">
      <Title order={2} size="h4">
        {t("roi.next")}
      </Title>
      <Group align="start" gap="md" my="xs">
        <CsvInput
          file={file}
          example={EXAMPLE}
          onChange={(chosen) => {
            setFile(chosen);
            if (chosen === null) {
              upload.reset();
            } else {
              upload.mutate(chosen);
            }
          }}
        />
        <Text size="sm" c="dimmed">
          {t("roi.nextUpload")}
        </Text>
      </Group>
      <Refusal error={upload.error} />
      {ranking === null ? (
        <Text c="dimmed">{t("roi.nextEmpty")}</Text>
      ) : (
        <>
          <Text size="sm" c="dimmed" mb="sm">
            {t("roi.nextHint", { years: ranking.years, draws: format.count(DRAWS) })}
          </Text>
          <Table.ScrollContainer minWidth={900}>
            <Table verticalSpacing="xs" tabularNums>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{t("roi.candidate")}</Table.Th>
                  <Table.Th>{t("roi.step")}</Table.Th>
                  <Table.Th ta="right">{t("roi.expected")}</Table.Th>
                  <Table.Th miw={220}>{t("roi.nineOfTen")}</Table.Th>
                  <Table.Th ta="right">{t("roi.loses")}</Table.Th>
                  <Table.Th miw={120}>{t("roi.readiness")}</Table.Th>
                  <Table.Th>{t("roi.missing")}</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {ranking.items.map((item) => (
                  <Table.Tr key={item.candidate.name}>
                    <Table.Td fw={600} className={classes.name}>
                      {item.candidate.name}
                    </Table.Td>
                    <Table.Td>
                      <Badge
                        variant={item.step === "pilot" ? "filled" : "outline"}
                        color="steel"
                        tt="none"
                        miw="max-content"
                      >
                        {t(`roiStep.${item.step}`)}
                      </Badge>
                    </Table.Td>
                    <Table.Td ta="right" className={classes.name}>
                      {format.moneyShort(item.expected, ranking.currency)}
                    </Table.Td>
                    <Table.Td>
                      <Spread item={item} low={low} high={high} />
                      <Text size="xs" c="dimmed">
                        {t("roi.to", {
                          low: format.moneyShort(item.p5, ranking.currency),
                          high: format.moneyShort(item.p95, ranking.currency),
                        })}
                      </Text>
                    </Table.Td>
                    <Table.Td ta="right">{format.percent(item.loses, 0)}</Table.Td>
                    <Table.Td>
                      <Progress
                        value={item.readiness * 100}
                        color="steel"
                        size="lg"
                        aria-label={`${t("roi.readiness")} ${format.percent(item.readiness, 0)}`}
                      />
                      <Text size="xs" c="dimmed">
                        {format.percent(item.readiness, 0)}
                      </Text>
                    </Table.Td>
                    <Table.Td fz="sm" c="dimmed">
                      {format.list(item.missing.map(text))}
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
          {ranking.notes.map((note) => (
            <Text key={note.en} size="sm" c="dimmed" mt={4}>
              {text(note)}
            </Text>
          ))}
        </>
      )}
    </Paper>
  );
}

function Spread({ item, low, high }: { item: RankedCandidate; low: number; high: number }) {
  const place = (value: number) => (200 * (value - low)) / (high - low || 1);
  return (
    <svg viewBox="-6 0 212 20" width="100%" height={20} aria-hidden="true">
      <line x1={place(0)} x2={place(0)} y1={0} y2={20} stroke="var(--line)" strokeWidth={2} />
      <line
        x1={place(item.p5)}
        x2={place(item.p95)}
        y1={10}
        y2={10}
        stroke="var(--mantine-color-steel-5)"
        strokeWidth={5}
        strokeLinecap="round"
      />
      <circle cx={place(item.expected)} cy={10} r={6} fill="var(--mantine-color-text)" />
    </svg>
  );
}
