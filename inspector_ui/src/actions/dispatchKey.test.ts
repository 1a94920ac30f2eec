import { expect, test } from "vitest";
import type { ReviewDecision } from "../api/types";
import { dispatchKey, type KeyPress } from "./dispatchKey";
import { reviewActions } from "./reviewActions";
import type { ReviewContext } from "./reviewContext";

function press(code: string, changes: Partial<KeyPress> = {}): KeyPress {
  return {
    code,
    repeat: false,
    isComposing: false,
    ctrlKey: false,
    altKey: false,
    metaKey: false,
    shiftKey: false,
    target: null,
    preventDefault: () => undefined,
    ...changes,
  };
}

function decided(event: KeyPress, changes: Partial<ReviewContext> = {}): ReviewDecision[] {
  const decisions: ReviewDecision[] = [];
  const nothing = () => undefined;
  dispatchKey(event, reviewActions, {
    hasPart: true,
    canUndo: true,
    hasHeat: true,
    hasRegions: true,
    hasClasses: true,
    decide: (decision) => decisions.push(decision),
    undo: nothing,
    editNote: nothing,
    nextClass: nothing,
    toggleHeat: nothing,
    toggleRegions: nothing,
    zoomIn: nothing,
    zoomOut: nothing,
    fit: nothing,
    actualSize: nothing,
    ...changes,
  });
  return decisions;
}

test.each([
  ["KeyD", "DEFECT_CONFIRMED"],
  ["Digit1", "DEFECT_CONFIRMED"],
  ["KeyF", "FALSE_CALL"],
  ["Numpad2", "FALSE_CALL"],
  ["KeyA", "DEFECT_ACCEPTED"],
  ["Digit3", "DEFECT_ACCEPTED"],
  ["KeyU", "UNSURE"],
  ["Digit4", "UNSURE"],
])("%s decides %s", (code, decision) => {
  expect(decided(press(code))).toEqual([decision]);
});

const field = (tagName: string, type = "text") => ({ tagName, type }) as unknown as EventTarget;

test.each<[string, Partial<KeyPress>]>([
  ["a held key", { repeat: true }],
  ["composing a Chinese character", { isComposing: true }],
  ["Ctrl", { ctrlKey: true }],
  ["Alt", { altKey: true }],
  ["Meta", { metaKey: true }],
  ["Shift", { shiftKey: true }],
  ["typing in a note", { target: field("TEXTAREA") }],
  ["typing in a field", { target: field("INPUT") }],
])("%s decides nothing", (_, changes) => {
  expect(decided(press("KeyD", changes))).toEqual([]);
});

test("a chosen class or a moved slider leaves the keys alone", () => {
  expect(decided(press("KeyD", { target: field("INPUT", "radio") }))).toEqual(["DEFECT_CONFIRMED"]);
  expect(decided(press("KeyD", { target: field("INPUT", "range") }))).toEqual(["DEFECT_CONFIRMED"]);
});

test("without a part on the screen nothing can be decided", () => {
  expect(decided(press("KeyD"), { hasPart: false })).toEqual([]);
});

test("no two actions share a key", () => {
  const codes = reviewActions.flatMap((action) => [...action.codes]);
  expect(new Set(codes).size).toBe(codes.length);
});
