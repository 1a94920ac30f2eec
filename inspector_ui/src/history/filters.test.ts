import { expect, test } from "vitest";
import { asFilters, exportUrl, readSearch } from "./filters";

test("a search is read from the address, without what means nothing", () => {
  const address = new URLSearchParams("part_id=P%2F1&lot=&verdict=REJECT&decision=MAYBE&period=lastDay&x=1");
  expect(readSearch(address)).toEqual({ part_id: "P/1", verdict: "REJECT", period: "lastDay" });
});

test("a period becomes a time", () => {
  const { since, ...rest } = asFilters({ lot: "L", decision: "NONE", period: "lastHour" });
  expect(rest).toEqual({ lot: "L", decision: ["NONE"] });
  expect(Date.now() - Date.parse(since ?? "")).toBeLessThan(3_700_000);
});

test("the table is asked for with the same filters", () => {
  const search = { part_id: "a&b", verdict: "PASS" } as const;
  expect(exportUrl(search, "csv")).toBe("/v1/history/export.csv?part_id=a%26b&verdict=PASS");
  expect(exportUrl(search, "xlsx")).toBe("/v1/history/export.xlsx?part_id=a%26b&verdict=PASS");
});
