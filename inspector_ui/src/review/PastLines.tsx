import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import type { Inspection, Tally } from "../api/types";
import { useFormat } from "../i18n/format";
import { VerdictShape } from "../verdict/VerdictShape";
import classes from "./PastLines.module.css";
import { pastQuery } from "./similarQuery";

/** What happened around the part: its other views, its lot so far, and its line in the hour before. */
export function PastLines({ inspection, blind }: { inspection: Inspection; blind: boolean }) {
  const { t } = useTranslation();
  const { data } = useQuery(pastQuery(inspection.id));
  return (
    <section aria-label={t("past.title")} data-testid="past">
      <Text size="sm" fw={600} component="h3" mb={4}>
        {t("past.title")}
      </Text>
      <dl className={classes.lines}>
        <dt>{t("past.part")}</dt>
        <dd>
          {data?.part.length === 0 && t("past.onlyFrame")}
          {data?.part.map((frame) => (
            <span key={frame.id} className={classes.frame}>
              {!blind && <VerdictShape verdict={frame.verdict} size={14} />} {frame.station}/{frame.camera}
            </span>
          ))}
        </dd>
        <dt>{t("past.lot", { lot: inspection.lot })}</dt>
        <dd>{data && <Counted tally={data.lot} />}</dd>
        <dt>{t("past.line", { line: inspection.line })}</dt>
        <dd>{data && <Counted tally={data.line} />}</dd>
      </dl>
    </section>
  );
}

function Counted({ tally }: { tally: Tally }) {
  const { t } = useTranslation();
  const format = useFormat();
  return t("past.counts", {
    inspected: format.count(tally.inspected),
    flagged: format.count(tally.flagged),
    confirmed: format.count(tally.confirmed),
    falseCalls: format.count(tally.false_calls),
  });
}
