import type { Inspection, LineHold, Review } from "../api/types";

/** What one line made lately, newest first. */
export interface LiveLine {
  line: string;
  inspections: readonly Inspection[];
}

// more than the strip shows, so that a minute of parts can be counted
const MOST_KEPT = 300;
const MINUTE_MS = 60_000;

/** `lines` with new frames put in front; one that is there already is replaced. Lines stay in the order of their names. */
export function withInspections(lines: readonly LiveLine[], arrived: readonly Inspection[]): readonly LiveLine[] {
  const byLine = new Map(lines.map((each) => [each.line, [...each.inspections]]));
  for (const inspection of arrived) {
    const kept = (byLine.get(inspection.line) ?? []).filter((each) => each.id !== inspection.id);
    byLine.set(inspection.line, newestFirst([inspection, ...kept]).slice(0, MOST_KEPT));
  }
  return [...byLine]
    .map(([line, inspections]) => ({ line, inspections }))
    .sort((one, other) => one.line.localeCompare(other.line, "en", { numeric: true }));
}

export function withReview(lines: readonly LiveLine[], review: Review): readonly LiveLine[] {
  return lines.map((each) => ({
    line: each.line,
    inspections: each.inspections.map((inspection) =>
      inspection.id === review.inspection_id ? { ...inspection, review } : inspection,
    ),
  }));
}

/** Lines that are on hold are shown also when they made nothing lately. */
export function withHeld(lines: readonly LiveLine[], holds: readonly LineHold[]): readonly LiveLine[] {
  const missing = holds.filter(({ line }) => !lines.some((each) => each.line === line));
  return [...lines, ...missing.map(({ line }) => ({ line, inspections: [] }))];
}

export function countLastMinute({ inspections }: LiveLine, now: number): number {
  return inspections.filter((each) => now - Date.parse(each.received_at) < MINUTE_MS).length;
}

function newestFirst(inspections: Inspection[]): Inspection[] {
  return inspections.sort((one, other) => Date.parse(other.received_at) - Date.parse(one.received_at));
}
