import { expect, test } from "vitest";
import { endOfDay, instantOf } from "./plantTime";

test.each([
  ["2026-11-28T06:30", "Asia/Taipei", "2026-11-27T22:30:00.000Z"],
  ["2026-11-28T00:00", "America/New_York", "2026-11-28T05:00:00.000Z"],
  ["2026-07-01T12:00", "Europe/Berlin", "2026-07-01T10:00:00.000Z"],
  // comes twice: the first of them
  ["2026-10-25T02:30", "Europe/Berlin", "2026-10-25T00:30:00.000Z"],
  // is skipped: 03:30 on the clock
  ["2026-03-29T02:30", "Europe/Berlin", "2026-03-29T01:30:00.000Z"],
  ["2026-03-29T03:30", "Europe/Berlin", "2026-03-29T01:30:00.000Z"],
])("%s on the clock of %s is %s", (wall, zone, instant) => {
  expect(instantOf(wall, zone).toISOString()).toBe(instant);
});

test("a day of the plant ends by its own clock", () => {
  expect(endOfDay("2026-11-30", "Asia/Taipei").toISOString()).toBe("2026-11-30T16:00:00.000Z");
  // 25 hours long
  expect(endOfDay("2026-10-25", "Europe/Berlin").toISOString()).toBe("2026-10-25T23:00:00.000Z");
});
