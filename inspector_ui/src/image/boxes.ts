import type { Box } from "../api/types";

export type Corners = Omit<Box, "label">;

/** A box as it is drawn; without a class of its own it has the one that the part is given. */
export interface DrawnBox extends Corners {
  label: string | null;
}

export interface Size {
  width: number;
  height: number;
}

/** A place in image pixels; not whole, and possibly outside the image. */
export interface Point {
  x: number;
  y: number;
}

/** What a press took hold of: the sides of a box that follow it, or the whole box where there are none. */
export interface Grip {
  index: number;
  sides: readonly (keyof Corners)[];
}

/** As the server has it. */
export const MOST_BOXES = 50;

/**
 * What lies under a press: a side or corner of the selected box within `slop` image pixels, else the smallest box round it.
 *
 * Inside a box its sides reach no further than a quarter of it, so that a small one can still be moved by a finger.
 */
export function gripAt(boxes: readonly Corners[], selected: number | null, point: Point, slop: number): Grip | null {
  const chosen = selected === null ? undefined : boxes[selected];
  if (selected !== null && chosen !== undefined) {
    const sides = [
      nearest(point.x, ["x0", chosen.x0], ["x1", chosen.x1], slop),
      nearest(point.y, ["y0", chosen.y0], ["y1", chosen.y1], slop),
    ];
    const reached = sides.filter((side) => side !== "outside");
    const found = reached.filter((side) => side !== null);
    if (reached.length === 2 && found.length > 0) {
      return { index: selected, sides: found };
    }
  }
  const inside = boxes
    .map((box, index) => ({ index, area: (box.x1 - box.x0) * (box.y1 - box.y0), box }))
    .filter(({ box: { x0, y0, x1, y1 } }) => x0 <= point.x && point.x <= x1 && y0 <= point.y && point.y <= y1)
    .sort((one, other) => one.area - other.area);
  return inside[0] === undefined ? null : { index: inside[0].index, sides: [] };
}

type Side = [keyof Corners, number];

/** Which of two sides is meant along one axis; null between them. */
function nearest(at: number, low: Side, high: Side, slop: number): keyof Corners | "outside" | null {
  const inner = Math.min(slop, (high[1] - low[1]) / 4);
  if (at < low[1] - slop || at > high[1] + slop) {
    return "outside";
  }
  if (at <= low[1] + inner) {
    return low[0];
  }
  return at >= high[1] - inner ? high[0] : null;
}

/** The box after its grip was dragged by `dx`, `dy`. */
export function dragged<B extends Corners>(box: B, { sides }: Grip, dx: number, dy: number, size: Size): B {
  if (sides.length === 0) {
    return moved(box, dx, dy, size);
  }
  return sides.reduce((so, side) => stretched(so, side, box[side] + (side.startsWith("x") ? dx : dy), size), box);
}

/** The box moved as it is, as far as the image reaches. */
export function moved<B extends Corners>(box: B, dx: number, dy: number, { width, height }: Size): B {
  const right = Math.round(clamp(dx, -box.x0, width - box.x1));
  const down = Math.round(clamp(dy, -box.y0, height - box.y1));
  return { ...box, x0: box.x0 + right, x1: box.x1 + right, y0: box.y0 + down, y1: box.y1 + down };
}

/** The box with one side elsewhere, inside the image and a pixel or more from the side across. */
function stretched<B extends Corners>(box: B, side: keyof Corners, to: number, { width, height }: Size): B {
  const least = { x0: 0, x1: box.x0 + 1, y0: 0, y1: box.y0 + 1 }[side];
  const most = { x0: box.x1 - 1, x1: width, y0: box.y1 - 1, y1: height }[side];
  return { ...box, [side]: Math.round(clamp(to, least, most)) };
}

/** The whole pixels between two places, inside the image. */
export function spanned(one: Point, other: Point, { width, height }: Size): Corners {
  const x0 = Math.floor(clamp(Math.min(one.x, other.x), 0, width - 1));
  const y0 = Math.floor(clamp(Math.min(one.y, other.y), 0, height - 1));
  const x1 = Math.ceil(clamp(Math.max(one.x, other.x), x0 + 1, width));
  const y1 = Math.ceil(clamp(Math.max(one.y, other.y), y0 + 1, height));
  return { x0, y0, x1, y1 };
}

const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** The box after an arrow key: moved by `step` pixels, or resized at its lower right corner; null for any other key. */
export function nudged<B extends Corners>(box: B, code: string, step: number, resize: boolean, size: Size): B | null {
  const direction = ARROWS[code];
  if (direction === undefined) {
    return null;
  }
  const [dx, dy] = [direction[0] * step, direction[1] * step];
  return resize ? dragged(box, { index: 0, sides: ["x1", "y1"] }, dx, dy, size) : moved(box, dx, dy, size);
}

/** As the server takes them, when the part is given a class. */
export function asMarked(boxes: readonly DrawnBox[], defectClass: string | null): Box[] {
  return boxes.map((box) => ({ ...box, label: box.label ?? defectClass ?? "" }));
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}
