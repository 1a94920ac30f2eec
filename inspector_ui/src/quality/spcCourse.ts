import type { SpcChart, SpcKind } from "../api/types";

export const chartNames = ["p", "laney", "u", "ewma", "cusum"] as const;

export type ChartName = (typeof chartNames)[number];

export interface CoursePoint {
  at: string;
  value: number | null;
  lower: number | null;
  low: number | null;
  high: number | null;
  /** The value again where a rule of this chart signals. */
  signal: number | null;
}

const SHEWHART = ["beyond_3", "two_of_three", "four_of_five", "eight_on_one_side"];

/** Which counts a chart is of; EWMA and CUSUM are of the same scores as the p chart. */
export function kindOf(name: ChartName): SpcKind {
  return name === "ewma" || name === "cusum" ? "p" : name;
}

/** What tells a chart from all others, whatever comes next in it. */
export function streamOf({ line, station, camera, product, model, threshold_change }: SpcChart): string {
  return JSON.stringify([line, station, camera, product, model.name, model.version, threshold_change]);
}

/** What to draw of a chart; EWMA and CUSUM are in standard deviations. */
export function course(chart: SpcChart, name: ChartName, cusumLimit: number): CoursePoint[] {
  return chart.points.map((point) => {
    const at = point.ended_at;
    if (name === "ewma") {
      const limit = point.ewma_limit;
      const signal = point.signals.includes("ewma") ? point.ewma : null;
      return { at, value: point.ewma, lower: null, low: limit === null ? null : -limit, high: limit, signal };
    }
    if (name === "cusum") {
      const upper = point.cusum_upper;
      const highest = Math.max(upper ?? 0, point.cusum_lower ?? 0);
      const signal = point.signals.includes("cusum") ? highest : null;
      return {
        at,
        value: upper,
        lower: point.cusum_lower,
        low: null,
        high: upper === null ? null : cusumLimit,
        signal,
      };
    }
    const signal = point.signals.some((rule) => SHEWHART.includes(rule)) ? point.value : null;
    return { at, value: point.value, lower: null, low: point.low, high: point.high, signal };
  });
}
