import type { Action } from "./action";
import type { ReviewContext } from "./reviewContext";

export const toggleHeat: Action<ReviewContext> = {
  name: "toggleHeat",
  label: "action.heat",
  codes: ["KeyH"],
  caps: ["H"],
  isEnabled: (context) => context.hasHeat,
  perform: (context) => context.toggleHeat(),
};
