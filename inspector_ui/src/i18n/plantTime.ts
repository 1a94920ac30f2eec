const DAY_MS = 86_400_000;

/** What the clock on the wall of a place shows at an instant, as milliseconds since 1970 of a clock that is never changed. */
function wallClock(at: number, zone: string): number {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  }).formatToParts(at);
  const of = (wanted: string) => Number(parts.find(({ type }) => type === wanted)?.value);
  return Date.UTC(of("year"), of("month") - 1, of("day"), of("hour"), of("minute"), of("second"));
}

/**
 * When the plant's clock shows `wall`, such as 2026-11-28T06:00, which a date field gives. As the server has it: of a time
 * that comes twice the first counts, and one that is skipped is taken as that much after the change.
 */
export function instantOf(wall: string, zone: string): Date {
  const shown = Date.parse(`${wall}Z`);
  const offset = (at: number) => wallClock(at, zone) - at;
  const before = shown - offset(shown - DAY_MS);
  const after = shown - offset(shown + DAY_MS);
  return new Date(wallClock(before, zone) !== shown && wallClock(after, zone) === shown ? after : before);
}

/** The first moment of the day after `day`, such as 2026-11-28. */
export function endOfDay(day: string, zone: string): Date {
  return instantOf(new Date(Date.parse(day) + DAY_MS).toISOString().slice(0, 19), zone);
}
