import { expect, test } from "vitest";
import { sayLarge } from "./sayLarge";

test("the longest word decides how large a text can be", () => {
  expect(sayLarge("No decision")).toEqual({ "--letters": 8, "--words": 2 });
});

test("a Chinese character counts for its width", () => {
  expect(sayLarge("合格")["--letters"]).toBeCloseTo(2.86, 2);
});
