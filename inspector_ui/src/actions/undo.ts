import type { Action } from "./action";
import type { ReviewContext } from "./reviewContext";

export const undo: Action<ReviewContext> = {
  name: "undo",
  label: "action.undo",
  codes: ["KeyZ"],
  caps: ["Z"],
  isEnabled: (context) => context.canUndo,
  perform: (context) => context.undo(),
};
