import { useTranslation } from "react-i18next";
import type { InForce } from "../api/types";
import { useFormat } from "../i18n/format";
import classes from "./ScoreBar.module.css";

/** Words fit a zone that is at least this share of the bar. */
const ROOM_FOR_WORD = 0.17;

/** The marker would stand on a word that is nearer than this to it. */
const HALF_A_WORD = 0.08;

/** Where the defect probability lies between the limits: a bar from 0 to 1 with its three zones and a marker. */
export function ScoreBar({ score, thresholds }: { score: number; thresholds: InForce }) {
  const { t } = useTranslation();
  const format = useFormat();
  const pass = Math.min(thresholds.pass_below, 1);
  const reject = Math.min(thresholds.reject_from, 1);
  const zones = [
    { name: "pass", share: pass, middle: pass / 2, word: t("review.passes") },
    { name: "review", share: reject - pass, middle: (pass + reject) / 2, word: t("review.review") },
    { name: "reject", share: 1 - reject, middle: (reject + 1) / 2, word: t("review.rejects") },
  ].filter((zone) => zone.share > 0);
  const limits = [...new Set([pass, reject])].filter((limit) => limit > 0 && limit < 1);
  return (
    <>
      <div role="img" aria-label={`${t("review.score")}: ${format.percent(score)}`}>
        <div className={classes.bar}>
          <div className={classes.zones}>
            {zones.map((zone) => (
              <div
                key={zone.name}
                className={classes.zone}
                data-aside={asideOf(score, zone)}
                style={{
                  flex: `${zone.share} 0 0`,
                  background: `var(--verdict-${zone.name})`,
                  color: `var(--verdict-${zone.name}-on)`,
                }}
              >
                {zone.share >= ROOM_FOR_WORD ? zone.word : ""}
              </div>
            ))}
          </div>
          <div className={classes.marker} style={{ left: `${score * 100}%` }} />
          <div className={classes.value} style={anchored(score)}>
            {format.percent(score)}
          </div>
        </div>
        <div className={classes.ticks}>
          {[0, ...spaced(limits), 1].map((tick) => (
            <span key={tick} className={classes.tick} style={anchored(tick)}>
              {format.percent(tick)}
            </span>
          ))}
        </div>
      </div>
      {thresholds.change !== null && (
        <div className={classes.change}>
          {t(thresholds.guaranteed ? "settings.fromChange" : "settings.fromChangeUncovered", { n: thresholds.change })}
        </div>
      )}
    </>
  );
}

/** The side of a zone that the marker leaves to its word, where it would stand on it. */
function asideOf(score: number, { share, middle }: { share: number; middle: number }): "left" | "right" | undefined {
  if (share < ROOM_FOR_WORD || Math.abs(score - middle) >= HALF_A_WORD) {
    return undefined;
  }
  return score < middle ? "right" : "left";
}

/** Left of the middle of a text at the bar's ends, so that it never leaves the bar. */
function anchored(at: number) {
  return { left: `${at * 100}%`, transform: `translateX(-${at * 100}%)` };
}

/** Leaves out limits whose figures would run into those beside them. */
function spaced(limits: number[]): number[] {
  const kept: number[] = [];
  for (const limit of limits) {
    if (limit - (kept.at(-1) ?? 0) >= 0.12 && limit <= 0.86) {
      kept.push(limit);
    }
  }
  return kept;
}
