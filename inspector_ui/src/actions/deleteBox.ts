import type { Action } from "./action";
import type { ReviewContext } from "./reviewContext";

export const deleteBox: Action<ReviewContext> = {
  name: "deleteBox",
  label: "action.deleteBox",
  codes: ["Delete", "Backspace"],
  caps: ["Del", "⌫"],
  isEnabled: (context) => context.canDeleteBox,
  perform: (context) => context.deleteBox(),
};
