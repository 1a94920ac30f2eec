import { expect, test } from "vitest";
import type { SpcChart } from "../api/types";
import { course, kindOf, streamOf } from "./spcCourse";

const point = {
  started_at: "2026-11-01T08:00:00Z",
  ended_at: "2026-11-01T08:10:00Z",
  n: 100,
  count: 9,
  value: 0.09,
  low: 0,
  high: 0.08,
  score: 3.4,
  ewma: 0.7,
  ewma_limit: 0.58,
  cusum_upper: 2.9,
  cusum_lower: 0,
  signals: ["beyond_3", "ewma"],
} as const satisfies Partial<SpcChart["points"][number]>;

const chart = { points: [{ ...point, signals: [...point.signals] }] } as unknown as SpcChart;

test("a point is marked on the charts whose rules it breaks, and on no other", () => {
  expect(course(chart, "p", 5)[0]?.signal).toBe(0.09);
  expect(course(chart, "ewma", 5)[0]?.signal).toBe(0.7);
  expect(course(chart, "cusum", 5)[0]?.signal).toBeNull();
});

test("EWMA has limits on both sides of zero, CUSUM one for both sums", () => {
  const [smooth] = course(chart, "ewma", 5);
  expect([smooth?.low, smooth?.high]).toEqual([-0.58, 0.58]);
  const [sum] = course(chart, "cusum", 5);
  expect([sum?.value, sum?.lower, sum?.low, sum?.high]).toEqual([2.9, 0, null, 5]);
});

test("EWMA and CUSUM are drawn from the p chart", () => {
  expect(["p", "laney", "u", "ewma", "cusum"].map((name) => kindOf(name as "p"))).toEqual([
    "p",
    "laney",
    "u",
    "p",
    "p",
  ]);
});

test("a chart is told by whose it is: not by its points, but by the thresholds too", () => {
  const own = { ...chart, line: "a", model: { name: "m", version: "1" }, threshold_change: null } as SpcChart;
  expect(streamOf({ ...own, points: [] })).toBe(streamOf(own));
  expect(streamOf({ ...own, threshold_change: 4 })).not.toBe(streamOf(own));
});
