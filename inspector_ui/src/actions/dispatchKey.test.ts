import { expect, test } from "vitest";
import type { ReviewDecision } from "../api/types";
import { dispatchKey, isEnabled, type KeyPress } from "./dispatchKey";
import { holdActions } from "./holdAction";
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

const nothing = () => undefined;

function context(changes: Partial<ReviewContext> = {}): ReviewContext {
  return {
    hasPart: true,
    canUndo: true,
    hasHeat: true,
    hasRegions: true,
    canDraw: true,
    canAddBox: false,
    canUndoBox: false,
    canDeleteBox: false,
    hasClasses: true,
    decide: nothing,
    undo: nothing,
    editNote: nothing,
    nextClass: nothing,
    toggleHeat: nothing,
    toggleRegions: nothing,
    zoomIn: nothing,
    zoomOut: nothing,
    fit: nothing,
    actualSize: nothing,
    toggleDrawing: nothing,
    addBox: nothing,
    undoBox: nothing,
    deleteBox: nothing,
    ...changes,
  };
}

function decided(event: KeyPress, changes: Partial<ReviewContext> = {}): ReviewDecision[] {
  const decisions: ReviewDecision[] = [];
  dispatchKey(event, reviewActions, context({ decide: (decision) => decisions.push(decision), ...changes }));
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

test.each([
  ["while boxes are drawn", { canUndo: false, canAddBox: true, canUndoBox: true, canDeleteBox: true }],
  ["else", {}],
])("no two actions share a key %s", (_, changes) => {
  const possible = reviewActions.filter((action) => isEnabled(action, context(changes)));
  const codes = possible.flatMap((action) => [...action.codes, ...holdActions.map(({ code }) => code)]);
  const own = possible.flatMap((action) => [...action.codes]);
  expect(new Set(own).size).toBe(own.length);
  expect(new Set(codes).size).toBe(own.length + holdActions.length);
});
