import { expect, test } from "vitest";
import { monthName, reportPeriods, weekName } from "./reportPeriod";

test.each([
  [2026, 11, 22, "2026-W47"],
  [2026, 11, 23, "2026-W48"],
  [2026, 12, 31, "2026-W53"],
  [2027, 1, 3, "2026-W53"],
  [2027, 1, 4, "2027-W01"],
  [2024, 12, 30, "2025-W01"],
])("the week of %i-%i-%i is %s", (year, month, day, name) => {
  expect(weekName(new Date(Date.UTC(year, month - 1, day)))).toBe(name);
});

test("the last month of January is December of the year before", () => {
  expect(reportPeriods(new Date("2027-01-31")).map(({ name }) => name)).toEqual([
    "2027-W04",
    "2027-W03",
    "2027-01",
    "2026-12",
  ]);
  expect(monthName(new Date("2026-09-01"))).toBe("2026-09");
});
