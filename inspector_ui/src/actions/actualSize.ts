import type { Action } from "./action";
import type { ReviewContext } from "./reviewContext";

export const actualSize: Action<ReviewContext> = {
  name: "actualSize",
  label: "action.actualSize",
  codes: ["KeyP"],
  caps: ["P"],
  isEnabled: (context) => context.hasPart,
  perform: (context) => context.actualSize(),
};
