import { useTranslation } from "react-i18next";
import type { LineTrend } from "../api/types";
import { useFormat } from "../i18n/format";
import classes from "./TrendChart.module.css";

const HEIGHT = 44;
const STEP = 20;
const BAR = 15;
const LEAST_DRAWN = 2;

/** Frames of the last hour by five minutes, with the part of them that was not passed. */
export function TrendChart({ points }: { points: LineTrend["points"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const inspected = points.reduce((sum, point) => sum + point.inspected, 0);
  const flagged = points.reduce((sum, point) => sum + point.flagged, 0);
  const most = Math.max(1, ...points.map((point) => point.inspected));
  const tall = (count: number) => (count === 0 ? 0 : Math.max(LEAST_DRAWN, (count / most) * HEIGHT));
  const share = inspected === 0 ? "–" : format.percent(flagged / inspected);
  return (
    <div className={classes.trend} data-testid="trend">
      <svg
        className={classes.chart}
        viewBox={`0 0 ${points.length * STEP} ${HEIGHT}`}
        preserveAspectRatio="none"
        aria-hidden="true"
      >
        {points.map((point, index) => (
          <g key={point.start}>
            <title>
              {t("live.trendPoint", {
                time: format.clock(point.start),
                count: point.inspected,
                n: format.count(point.inspected),
                flagged: format.count(point.flagged),
              })}
            </title>
            <rect className={classes.room} x={index * STEP} y={0} width={BAR} height={HEIGHT} />
            <rect
              className={classes.all}
              x={index * STEP}
              y={HEIGHT - tall(point.inspected)}
              width={BAR}
              height={tall(point.inspected)}
            />
            <rect
              className={classes.flagged}
              x={index * STEP}
              y={HEIGHT - tall(point.flagged)}
              width={BAR}
              height={tall(point.flagged)}
            />
          </g>
        ))}
      </svg>
      <span className={classes.words}>
        <strong>{t("live.trendFlagged", { share })}</strong>
        <span>{t("live.trendFrames", { n: format.count(inspected) })}</span>
      </span>
    </div>
  );
}
