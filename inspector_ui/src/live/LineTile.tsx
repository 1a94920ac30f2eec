import { useTranslation } from "react-i18next";
import { AlarmList } from "../alarms/AlarmList";
import type { Alarm, Inspection } from "../api/types";
import { useFormat } from "../i18n/format";
import { Thumbnail } from "../image/Thumbnail";
import { VerdictShape, verdictColour } from "../verdict/VerdictShape";
import classes from "./LineTile.module.css";
import { countLastMinute, type LiveLine } from "./lines";

const STRIP = 12;
const QUIET_AFTER_S = 120;

/** One line: its newest verdict huge, the latest parts below. */
export function LineTile({ line, now, alarms }: { line: LiveLine; now: number; alarms: readonly Alarm[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const newest = line.inspections[0];
  if (newest === undefined) {
    return null;
  }
  const colour = verdictColour(newest.verdict);
  return (
    <section className={classes.tile} aria-label={t("live.line", { line: line.line })}>
      <header className={classes.head}>
        <h2>
          <small>{t("review.lineName")}</small> {line.line}
        </h2>
        <span className={classes.rate}>{t("live.perMinute", { n: format.count(countLastMinute(line, now)) })}</span>
      </header>
      <AlarmList alarms={alarms} />
      <div
        className={classes.verdict}
        style={{ background: `var(--verdict-${colour})`, color: `var(--verdict-${colour}-on)` }}
        data-testid="live-verdict"
      >
        <div className={classes.shape}>
          <VerdictShape verdict={newest.verdict} size="100%" />
        </div>
        <div className={classes.word}>{t(`verdict.${newest.verdict}`)}</div>
        <div className={classes.detail}>
          <span>{t("live.part", { part: newest.part_id })}</span>
          {newest.defect_probability !== null && <span>{format.percent(newest.defect_probability)}</span>}
          <Ago at={newest.received_at} now={now} />
        </div>
      </div>
      <ol className={classes.strip} aria-label={t("live.latest")}>
        {line.inspections.slice(0, STRIP).map((inspection) => (
          <LatestPart key={inspection.id} inspection={inspection} />
        ))}
      </ol>
    </section>
  );
}

function Ago({ at, now }: { at: string; now: number }) {
  const { t } = useTranslation();
  const format = useFormat();
  const seconds = Math.max(0, Math.round((now - Date.parse(at)) / 1000));
  return (
    <span>
      {seconds > QUIET_AFTER_S
        ? t("live.agoLong", { time: format.dateTime(at) })
        : t("live.ago", { n: format.count(seconds) })}
    </span>
  );
}

function LatestPart({ inspection }: { inspection: Inspection }) {
  const { t } = useTranslation();
  const { verdict, review } = inspection;
  const words = [inspection.part_id, t(`verdict.${verdict}`)];
  if (review?.decision) {
    words.push(t("live.reviewed", { decision: t(`decision.${review.decision}`) }));
  }
  return (
    <li className={classes.latest} title={words.join(" · ")}>
      <Thumbnail className={classes.image} inspection={inspection} alt={words.join(", ")} />
      <span className={classes.mark} style={{ borderColor: `var(--verdict-${verdictColour(verdict)})` }}>
        <VerdictShape verdict={verdict} size={18} />
        <span className={classes.markWord}>{t(`verdict.${verdict}`)}</span>
      </span>
    </li>
  );
}
