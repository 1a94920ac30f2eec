import type { Action } from "./action";
import type { ReviewContext } from "./reviewContext";

export const addBox: Action<ReviewContext> = {
  name: "addBox",
  label: "action.addBox",
  codes: ["KeyM"],
  caps: ["M"],
  isEnabled: (context) => context.canAddBox,
  perform: (context) => context.addBox(),
};
