import { expect, test } from "vitest";
import type { Guarantee } from "../api/types";
import { figuresAt, guaranteeAt, holds, placeOf } from "./operating";

const curve = {
  points: [0, 0.2, 0.5, 0.8, 1.001],
  defects_below: [0, 1, 10, 40, 100],
  goods_below: [0, 50, 150, 190, 200],
  classes_below: {},
};
const bound = {
  limit: 0.02,
  delta: 0.05,
  allowed: 1,
  observed: 0,
  needed: 149,
  of_class: null,
  counted: "images" as const,
};
const promised: Guarantee = {
  escape: { ...bound, rate: "escape rate", n: 100 },
  reject_good: { ...bound, rate: "good parts rejected", n: 200, allowed: 10 },
  classes: [],
  bill: null,
};
const own = { pass_below: 0.2, reject_from: 0.8 };

test("at points the shares are the counts", () => {
  const figures = figuresAt(curve, own, 0.1);
  expect(figures).toMatchObject({ escapes: 0.01, overkill: 0.75 });
  expect(figures.rejectedUnseen).toBeCloseTo(0.05);
  expect(figures.reviews).toBeCloseTo(0.1 * 0.39 + 0.9 * 0.7);
  expect(figures.escapesLow).toBeCloseTo(0.00177, 4);
  expect(figures.escapesHigh).toBeCloseTo(0.0545, 4);
});

test("between points the worse one counts", () => {
  const figures = figuresAt(curve, { pass_below: 0.3, reject_from: 0.7 }, 0.1);
  expect(figures).toMatchObject({ escapes: 0.1, overkill: 0.75, rejectedUnseen: 0.25 });
});

test("the guarantee ends where one more held-out defect is passed than allowed", () => {
  const at = (pass_below: number) => guaranteeAt(curve, promised, own, { ...own, pass_below });
  expect(holds(at(0.2) ?? promised)).toBe(true);
  expect(at(0.5)?.escape.observed).toBe(10);
  expect(holds(at(0.5) ?? promised)).toBe(false);
});

test("without a curve nothing is known of wider thresholds", () => {
  expect(guaranteeAt(null, promised, own, { ...own, pass_below: 0.1 })).toEqual(promised);
  expect(guaranteeAt(null, promised, own, { ...own, pass_below: 0.3 })).toBeNull();
});

test("a threshold beyond all points is at the last", () => {
  expect([placeOf(curve, 0.5), placeOf(curve, 0.51), placeOf(curve, 2)]).toEqual([2, 3, 4]);
});
