import type { CameraDrift, DriftCheck } from "../api/types";

export type Statistic = DriftCheck["statistic"];
export type Against = DriftCheck["against"];

/** Whether any check of a statistic lies above its limit. */
export function drifted(checks: readonly DriftCheck[], statistic: Statistic): boolean {
  return checks.some((check) => check.statistic === statistic && check.value > check.limit);
}

/** The check of the whole window. */
export function windowCheck(
  checks: readonly DriftCheck[],
  statistic: Statistic,
  against: Against,
): DriftCheck | undefined {
  return checks.find((check) => check.statistic === statistic && check.against === against && check.span === "window");
}

/** One point for each look: value / limit, so that 1 is the alarm limit however many frames the window held. */
export function ratios(camera: CameraDrift, statistic: Statistic) {
  return camera.history.map((point) => {
    const ratio = (against: Against) => {
      const check = windowCheck(point.checks, statistic, against);
      return check === undefined ? null : check.value / check.limit;
    };
    return { at: point.at, training: ratio("training"), promotion: ratio("promotion") };
  });
}
