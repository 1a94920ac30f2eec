import { expect, test } from "vitest";
import { asMarked, dragged, gripAt, nudged, spanned } from "./boxes";

const SIZE = { width: 100, height: 80 };
const LARGE = { x0: 10, y0: 10, x1: 70, y1: 60 };
const SMALL = { x0: 30, y0: 30, x1: 34, y1: 34 };

test.each([
  ["left to right", { x: 10.4, y: 20.6 }, { x: 30.2, y: 40.9 }, { x0: 10, y0: 20, x1: 31, y1: 41 }],
  ["right to left", { x: 30.2, y: 40.9 }, { x: 10.4, y: 20.6 }, { x0: 10, y0: 20, x1: 31, y1: 41 }],
  ["past the edges", { x: -20, y: -5 }, { x: 400, y: 300 }, { x0: 0, y0: 0, x1: 100, y1: 80 }],
  ["wholly outside", { x: 150, y: 90 }, { x: 160, y: 95 }, { x0: 99, y0: 79, x1: 100, y1: 80 }],
])("a stroke spans whole pixels inside the image: %s", (_, from, to, box) => {
  expect(spanned(from, to, SIZE)).toEqual(box);
});

test("a press takes the smallest box under it, and sides of the selected box alone", () => {
  const boxes = [LARGE, SMALL];
  expect(gripAt(boxes, null, { x: 32, y: 32 }, 5)).toEqual({ index: 1, sides: [] });
  expect(gripAt(boxes, null, { x: 11, y: 40 }, 5)).toEqual({ index: 0, sides: [] });
  expect(gripAt(boxes, 0, { x: 11, y: 40 }, 5)).toEqual({ index: 0, sides: ["x0"] });
  expect(gripAt(boxes, 0, { x: 72, y: 63 }, 5)).toEqual({ index: 0, sides: ["x1", "y1"] });
  expect(gripAt(boxes, 0, { x: 76, y: 63 }, 5)).toBeNull();
  expect(gripAt(boxes, 0, { x: 90, y: 40 }, 5)).toBeNull();
});

test("a finger as large as a small box still moves it from its middle", () => {
  expect(gripAt([SMALL], 0, { x: 32, y: 32 }, 22)).toEqual({ index: 0, sides: [] });
  expect(gripAt([SMALL], 0, { x: 45, y: 32 }, 22)).toEqual({ index: 0, sides: ["x1"] });
});

test("a box moves as far as the image reaches, and keeps its size", () => {
  const grip = { index: 0, sides: [] };
  expect(dragged(LARGE, grip, 5.4, -3.6, SIZE)).toEqual({ x0: 15, y0: 6, x1: 75, y1: 56 });
  expect(dragged(LARGE, grip, 500, 500, SIZE)).toEqual({ x0: 40, y0: 30, x1: 100, y1: 80 });
});

test("a side stops at the image and a pixel before the side across", () => {
  expect(dragged(LARGE, { index: 0, sides: ["x1", "y1"] }, 500, -500, SIZE)).toEqual({ ...LARGE, x1: 100, y1: 11 });
  expect(dragged(LARGE, { index: 0, sides: ["x0"] }, -500, 9, SIZE)).toEqual({ ...LARGE, x0: 0 });
});

test("arrows move a box or change its size; other keys do nothing", () => {
  expect(nudged(LARGE, "ArrowRight", 4, false, SIZE)).toEqual({ ...LARGE, x0: 14, x1: 74 });
  expect(nudged(LARGE, "ArrowUp", 4, true, SIZE)).toEqual({ ...LARGE, y1: 56 });
  expect(nudged(SMALL, "ArrowLeft", 9, true, SIZE)).toEqual({ ...SMALL, x1: 31 });
  expect(nudged(LARGE, "KeyD", 4, false, SIZE)).toBeNull();
});

test("a box without a class of its own takes the part's", () => {
  const boxes = [
    { ...LARGE, label: null },
    { ...SMALL, label: "dent" },
  ];
  expect(asMarked(boxes, "crack").map(({ label }) => label)).toEqual(["crack", "dent"]);
  expect(asMarked(boxes, null).map(({ label }) => label)).toEqual(["", "dent"]);
});
