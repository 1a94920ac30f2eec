import { Paper, Table, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { AuditPlan } from "../api/types";
import { useFormat } from "../i18n/format";
import { QueryView } from "../shell/QueryView";
import classes from "./PlanCard.module.css";
import { planQuery } from "./samplingQueries";

/** How passed parts are drawn, band by band of their score, and how far people have come with them. */
export function PlanCard() {
  const { t } = useTranslation();
  const query = useQuery(planQuery);
  return (
    <Paper p="md" component="section" data-testid="plan">
      <Title order={2} size="h4" mb="sm">
        {t("sampling.plan")}
      </Title>
      <QueryView query={query}>{(plan) => <Plan plan={plan} />}</QueryView>
    </Paper>
  );
}

function Plan({ plan }: { plan: AuditPlan }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (plan.per_day === 0) {
    return <Text c="dimmed">{t("sampling.off")}</Text>;
  }
  const most = Math.max(1, ...plan.bands.map(({ drawn }) => drawn));
  return (
    <>
      <Text size="sm" fw={600}>
        {t("sampling.capacity", { drawn: format.count(plan.drawn_in_24_hours), of: format.count(plan.per_day) })}
      </Text>
      <Bar share={Math.min(1, plan.drawn_in_24_hours / plan.per_day)} />
      <Text size="sm" c="dimmed" mb="xs">
        {t("sampling.counts", {
          count: plan.waiting,
          waiting: format.count(plan.waiting),
          decided: format.count(plan.decided),
        })}
      </Text>
      <Table.ScrollContainer minWidth={520}>
        <Table verticalSpacing={6} tabularNums>
          <Table.Caption>{t("escapes.bandsHint")}</Table.Caption>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t("escapes.band")}</Table.Th>
              <Table.Th>{t("sampling.chance")}</Table.Th>
              <Table.Th>{t("sampling.drawnDecided")}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {plan.bands.map((band) => (
              <Table.Tr key={band.score_from}>
                <Table.Th scope="row" fw={400}>
                  {format.percent(band.score_from, 0)}–{format.percent(band.score_below, 0)}
                </Table.Th>
                <Table.Td>
                  <Bar share={band.probability}>{format.percent(band.probability)}</Bar>
                </Table.Td>
                <Table.Td>
                  <Bar share={band.decided / most} behind={band.drawn / most}>
                    {format.count(band.drawn)} / {format.count(band.decided)}
                  </Bar>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </>
  );
}

/** A picture of a number that stands beside it. */
function Bar({ share, behind, children }: { share: number; behind?: number; children?: ReactNode }) {
  return (
    <div className={classes.bar}>
      <div className={classes.track} aria-hidden="true">
        {behind !== undefined && <div className={classes.drawn} style={{ width: `${100 * behind}%` }} />}
        <div className={classes.fill} style={{ width: `${100 * share}%` }} />
      </div>
      <span>{children}</span>
    </div>
  );
}
