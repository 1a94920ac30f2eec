import { type RefObject, useLayoutEffect, useMemo, useRef, useState } from "react";
import type { QueueItem } from "../api/types";
import {
  type Corners,
  type DrawnBox,
  dragged,
  type Grip,
  gripAt,
  MOST_BOXES,
  type Point,
  spanned,
} from "../image/boxes";
import type { ViewerHandle } from "../image/ImageViewer";
import { pictureOf, sizeOf } from "../image/picture";
import type { Strokes } from "../image/stage";

interface Drawing {
  of: string | null;
  on: boolean;
  selected: number | null;
  /** What there was before each step that can be taken back, newest last. */
  past: readonly (readonly DrawnBox[])[];
  /** Counts what should bring the keyboard to the selected box. */
  focus: number;
}

const NOTHING: Omit<Drawing, "of"> = { on: false, selected: null, past: [], focus: 0 };
const MOST_STEPS = 100;
/** CSS pixels; a stroke that is shorter both ways was a press. */
const SHORTEST_STROKE = 4;
const STEP = 4;

interface Stroke {
  from: Point;
  grip: Grip | null;
  before: readonly DrawnBox[];
}

/**
 * Boxes about the part on the screen, as far as somebody wants to draw any: it begins anew, and off, with each part.
 *
 * `boxes` are kept with what else the person adds to the decision; every change of them goes through `setBoxes`.
 */
export function useBoxes(
  current: QueueItem | null,
  boxes: readonly DrawnBox[],
  setBoxes: (boxes: readonly DrawnBox[]) => void,
  viewer: RefObject<ViewerHandle | null>,
) {
  const id = current?.id ?? null;
  const [kept, setKept] = useState<Drawing>({ of: null, ...NOTHING });
  const drawing = kept.of === id ? kept : { of: id, ...NOTHING };
  const size = current === null ? { width: 0, height: 0 } : sizeOf(current);
  const canDraw = current !== null && pictureOf(current) !== null;

  const change = (changes: Partial<Drawing>) => setKept({ ...drawing, ...changes });
  const remember = (before: readonly DrawnBox[]) => [...drawing.past, before].slice(-MOST_STEPS);
  const put = (after: readonly DrawnBox[], selected: number | null, before = boxes) => {
    setBoxes(after);
    change({ past: remember(before), selected, focus: drawing.focus + 1 });
  };
  const select = (selected: number | null) => change({ selected });

  const stroke = useRef<Stroke | null>(null);
  const latest = useRef({ boxes, drawing, size, setBoxes, put, change });
  // before the next movement: a passive effect may come after it and put the boxes back
  useLayoutEffect(() => {
    latest.current = { boxes, drawing, size, setBoxes, put, change };
  });
  // OpenSeadragon keeps these handlers; what they act on is the latest
  const strokes = useMemo<Strokes>(
    () => ({
      press: (from, slop) => {
        const now = latest.current;
        stroke.current = { from, grip: gripAt(now.boxes, now.drawing.selected, from, slop), before: now.boxes };
      },
      move: (to) => {
        if (stroke.current !== null) {
          const { size, setBoxes } = latest.current;
          const boxes = after(stroke.current, to, size);
          // the pointer may come up before this movement is rendered
          latest.current = { ...latest.current, boxes };
          setBoxes(boxes);
        }
      },
      release: () => {
        const { current: done } = stroke;
        stroke.current = null;
        const now = latest.current;
        if (done === null) {
          return;
        }
        const scale = viewer.current?.seen()?.scale ?? 1;
        const made = done.grip === null && now.boxes.length > done.before.length ? now.boxes.at(-1) : undefined;
        if (made !== undefined && isPress(made, scale)) {
          now.setBoxes(done.before);
          now.change({ selected: null });
        } else if (now.boxes === done.before) {
          now.change({ selected: done.grip?.index ?? null, focus: now.drawing.focus + 1 });
        } else {
          now.put(now.boxes, done.grip?.index ?? now.boxes.length - 1, done.before);
        }
      },
      cancel: () => {
        if (stroke.current !== null) {
          latest.current.setBoxes(stroke.current.before);
          stroke.current = null;
        }
      },
    }),
    [viewer],
  );

  const { on, selected } = drawing;
  return {
    on: on && canDraw,
    boxes,
    size,
    selected,
    focus: drawing.focus,
    strokes: on && canDraw ? strokes : null,
    canDraw,
    canAdd: on && canDraw && boxes.length < MOST_BOXES,
    canUndo: on && drawing.past.length > 0,
    canDelete: on && selected !== null && selected < boxes.length,
    toggle: () => change({ on: !on, selected: null }),
    select,
    end: () => setKept({ of: id, ...NOTHING }),
    /** How many image pixels an arrow key moves: some that can be seen. */
    step: () => Math.max(1, Math.round(STEP / (viewer.current?.seen()?.scale ?? 1))),
    /** A box in the middle of what is seen. */
    add: () => {
      const seen = viewer.current?.seen() ?? { x0: 0, y0: 0, x1: size.width, y1: size.height };
      const [x, y] = [(seen.x0 + seen.x1) / 2, (seen.y0 + seen.y1) / 2];
      const [across, down] = [(seen.x1 - seen.x0) / 8, (seen.y1 - seen.y0) / 8];
      const corners = spanned({ x: x - across, y: y - down }, { x: x + across, y: y + down }, size);
      put([...boxes, { ...corners, label: null }], boxes.length);
    },
    /** Put a box in the place of another; `step` tells whether it can be taken back by itself. */
    replace: (index: number, box: DrawnBox, step: boolean) => {
      setBoxes(boxes.with(index, box));
      change({ past: step ? remember(boxes) : drawing.past, selected: index });
    },
    label: (label: string | null) => {
      const box = selected === null ? undefined : boxes[selected];
      if (selected !== null && box !== undefined) {
        put(boxes.with(selected, { ...box, label }), selected);
      }
    },
    remove: () => {
      if (selected !== null) {
        const left = boxes.filter((_, index) => index !== selected);
        put(left, left.length === 0 ? null : Math.min(selected, left.length - 1));
      }
    },
    undo: () => {
      setBoxes(drawing.past.at(-1) ?? boxes);
      change({ past: drawing.past.slice(0, -1), selected: null });
    },
  };
}

function after(
  { from, grip, before }: Stroke,
  to: Point,
  size: { width: number; height: number },
): readonly DrawnBox[] {
  const box = grip === null ? undefined : before[grip.index];
  if (grip !== null && box !== undefined) {
    return before.with(grip.index, dragged(box, grip, to.x - from.x, to.y - from.y, size));
  }
  return before.length < MOST_BOXES ? [...before, { ...spanned(from, to, size), label: null }] : before;
}

function isPress({ x0, y0, x1, y1 }: Corners, scale: number): boolean {
  return Math.max(x1 - x0, y1 - y0) * scale < SHORTEST_STROKE;
}
