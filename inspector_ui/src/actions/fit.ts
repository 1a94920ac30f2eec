import type { Action } from "./action";
import type { ReviewContext } from "./reviewContext";

export const fit: Action<ReviewContext> = {
  name: "fit",
  label: "action.fit",
  codes: ["Digit0", "Numpad0"],
  caps: ["0"],
  isEnabled: (context) => context.hasPart,
  perform: (context) => context.fit(),
};
