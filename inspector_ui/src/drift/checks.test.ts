import { expect, test } from "vitest";
import type { CameraDrift, DriftCheck } from "../api/types";
import { drifted, ratios } from "./checks";

const check = (changes: Partial<DriftCheck>): DriftCheck => ({
  statistic: "distance",
  against: "training",
  span: "window",
  frames: 200,
  value: 0.1,
  limit: 0.2,
  ...changes,
});

test("a change that only the newest frames show counts too", () => {
  expect(drifted([check({}), check({ span: "recent", value: 0.3 })], "distance")).toBe(true);
  expect(drifted([check({}), check({ span: "recent", value: 0.3 })], "psi")).toBe(false);
  expect(drifted([check({ value: 0.2 })], "distance")).toBe(false);
});

test("the course of a statistic is told in shares of its limit, with gaps where nothing was compared", () => {
  const history = [
    { at: "2026-01-01T00:00:00Z", frames: 20, checks: [check({})] },
    { at: "2026-01-01T00:01:00Z", frames: 40, checks: [check({ value: 0.4 }), check({ against: "promotion" })] },
  ];
  const course = ratios({ history } as unknown as CameraDrift, "distance");
  expect(course.map(({ training, promotion }) => [training, promotion])).toEqual([
    [0.5, null],
    [2, 0.5],
  ]);
});
