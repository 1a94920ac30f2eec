import type { CSSProperties } from "react";
import { useTranslation } from "react-i18next";
import { AlarmList } from "../alarms/AlarmList";
import type { Alarm, Inspection, LineHold, LineTrend } from "../api/types";
import { useFormat } from "../i18n/format";
import { Thumbnail } from "../image/Thumbnail";
import { HoldButton } from "../lines/HoldButton";
import { HoldShape } from "../lines/HoldShape";
import { VerdictShape, verdictColour } from "../verdict/VerdictShape";
import classes from "./LineTile.module.css";
import { countLastMinute, type LiveLine } from "./lines";
import { sayLarge } from "./sayLarge";
import { TrendChart } from "./TrendChart";

const STRIP = 12;
const QUIET_AFTER_S = 120;

interface Props {
  line: LiveLine;
  now: number;
  alarms: readonly Alarm[];
  hold: LineHold | undefined;
  trend: LineTrend | undefined;
}

/** One line: that it is on hold, or else its newest verdict, huge; what needs a person, the last hour, the latest parts. */
export function LineTile({ line, now, alarms, hold, trend }: Props) {
  const { t } = useTranslation();
  const format = useFormat();
  const newest = line.inspections[0];
  return (
    <section className={classes.tile} data-alarms={alarms.length > 0} aria-label={t("live.line", { line: line.line })}>
      <header className={classes.head}>
        <h2>
          <small>{t("review.lineName")}</small> {line.line}
        </h2>
        <span className={classes.rate}>{t("live.perMinute", { n: format.count(countLastMinute(line, now)) })}</span>
        <HoldButton line={line.line} hold={hold} />
      </header>
      <AlarmList alarms={alarms} />
      {hold !== undefined ? (
        <Held hold={hold} newest={newest} />
      ) : (
        newest !== undefined && <Newest inspection={newest} now={now} />
      )}
      {trend !== undefined && (
        <div className={classes.trend}>
          <TrendChart points={trend.points} />
        </div>
      )}
      {line.inspections.length > 0 && (
        <ol className={classes.strip} aria-label={t("live.latest")}>
          {line.inspections.slice(0, STRIP).map((inspection) => (
            <LatestPart key={inspection.id} inspection={inspection} />
          ))}
        </ol>
      )}
    </section>
  );
}

function Newest({ inspection, now }: { inspection: Inspection; now: number }) {
  const { t } = useTranslation();
  const format = useFormat();
  const word = t(`verdict.${inspection.verdict}`);
  const colour = verdictColour(inspection.verdict);
  return (
    <div
      className={classes.verdict}
      style={{ background: `var(--verdict-${colour})`, color: `var(--verdict-${colour}-on)` }}
      data-testid="live-verdict"
    >
      <div className={classes.large} style={sayLarge(word) as CSSProperties}>
        <div className={classes.shape}>
          <VerdictShape verdict={inspection.verdict} size="100%" />
        </div>
        <div className={classes.word}>{word}</div>
      </div>
      <div className={classes.detail}>
        <span>{t("live.part", { part: inspection.part_id })}</span>
        {inspection.defect_probability !== null && <span>{format.percent(inspection.defect_probability)}</span>}
        <Ago at={inspection.received_at} now={now} />
      </div>
    </div>
  );
}

function Held({ hold, newest }: { hold: LineHold; newest: Inspection | undefined }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <div
      className={classes.verdict}
      style={{ background: "var(--hold)", color: "var(--hold-on)" }}
      data-testid="live-held"
    >
      <div className={classes.large} style={sayLarge(t("hold.word")) as CSSProperties}>
        <div className={classes.shape} data-plain>
          <HoldShape size="100%" />
        </div>
        <div className={classes.word}>{t("hold.word")}</div>
      </div>
      <div className={classes.detail}>
        <strong>{hold.reason}</strong>
        <span>{t("hold.by", { name: hold.person, time: format.moment(hold.held_at) })}</span>
        {newest !== undefined && (
          <span>{t("hold.newest", { part: newest.part_id, verdict: t(`verdict.${newest.verdict}`) })}</span>
        )}
      </div>
    </div>
  );
}

function Ago({ at, now }: { at: string; now: number }) {
  const { t } = useTranslation();
  const format = useFormat();
  const seconds = Math.max(0, Math.round((now - Date.parse(at)) / 1000));
  return (
    <span>
      {seconds > QUIET_AFTER_S
        ? t("live.agoLong", { time: format.moment(at) })
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
