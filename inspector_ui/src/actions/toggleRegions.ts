import type { Action } from "./action";
import type { ReviewContext } from "./reviewContext";

export const toggleRegions: Action<ReviewContext> = {
  name: "toggleRegions",
  label: "action.regions",
  codes: ["KeyR"],
  caps: ["R"],
  isEnabled: (context) => context.hasRegions,
  perform: (context) => context.toggleRegions(),
};
