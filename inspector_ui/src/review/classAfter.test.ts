import { expect, test } from "vitest";
import { classAfter } from "./classAfter";

test.each([
  [null, "crack"],
  ["crack", "scratch"],
  ["scratch", "crack"],
  ["of an older model", "crack"],
])("after %s comes %s", (chosen, following) => {
  expect(classAfter(["crack", "scratch"], chosen)).toBe(following);
});

test("without classes there is none to choose", () => {
  expect(classAfter([], null)).toBeNull();
});
