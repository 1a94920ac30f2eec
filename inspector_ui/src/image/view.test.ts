import { expect, test } from "vitest";
import { fitted, moved, zoomed } from "./view";

const image = { width: 300, height: 200 };
const screen = { width: 900, height: 900 };

test("the whole image is centred", () => {
  expect(fitted(image, screen)).toEqual({ scale: 3, x: 0, y: 150 });
});

test("zooming keeps the image point under the pointer", () => {
  const before = fitted(image, screen);
  const after = zoomed(before, 2, 450, 450, image, screen);
  expect(after.scale).toBe(6);
  expect((450 - after.x) / after.scale).toBeCloseTo((450 - before.x) / before.scale);
  expect((450 - after.y) / after.scale).toBeCloseTo((450 - before.y) / before.scale);
});

test("zooming out ends at the whole image", () => {
  const near = zoomed(fitted(image, screen), 4, 100, 200, image, screen);
  expect(zoomed(near, 0.01, 100, 200, image, screen)).toEqual(fitted(image, screen));
});

test("the image cannot be dragged out of sight", () => {
  const far = moved(fitted(image, screen), 10_000, -10_000, image, screen);
  expect(far.x).toBe(450);
  expect(far.y).toBe(450 - 600);
});
