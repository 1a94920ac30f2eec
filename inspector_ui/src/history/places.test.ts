import { expect, test } from "vitest";
import type { HistoryItem, HistoryOutline } from "../api/types";
import { firstBefore, pageAt, pageBefore, startsOf } from "./places";

const at = (hour: number) => `2026-11-03T${String(hour).padStart(2, "0")}:00:00Z`;
const outline: HistoryOutline = {
  items: 6,
  older: null,
  pages: [
    { cursor: "a", items: 3, received_at: at(20) },
    { cursor: "b", items: 1, received_at: at(16) },
    { cursor: "c", items: 2, received_at: at(14) },
  ],
};

test("each item is on the page that the outline says", () => {
  const starts = startsOf(outline);
  expect([0, 1, 2, 3, 4, 5].map((item) => pageAt(starts, item))).toEqual([0, 0, 0, 1, 2, 2]);
});

test("a time is looked for on the page that may hold the first older item", () => {
  expect([23, 20, 17, 16, 15, 14, 3].map((hour) => pageBefore(outline.pages, new Date(at(hour))))).toEqual([
    0, 0, 0, 1, 1, 2, 2,
  ]);
  const items = [at(19), at(18), at(16)].map((received_at) => ({ received_at }) as HistoryItem);
  expect([23, 19, 17, 3].map((hour) => firstBefore(items, new Date(at(hour))))).toEqual([0, 1, 2, 3]);
});
