import type { Action } from "./action";
import type { ReviewContext } from "./reviewContext";

/** While boxes are drawn its key takes back a step of the drawing, and no decision. */
export const undoBox: Action<ReviewContext> = {
  name: "undoBox",
  label: "action.undoBox",
  codes: ["KeyZ"],
  caps: ["Z"],
  isEnabled: (context) => context.canUndoBox,
  perform: (context) => context.undoBox(),
};
