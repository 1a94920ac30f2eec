import type { Action } from "./action";
import type { ReviewContext } from "./reviewContext";

export const acceptAsIs: Action<ReviewContext> = {
  name: "acceptAsIs",
  label: "decision.DEFECT_ACCEPTED",
  codes: ["KeyA", "Digit3", "Numpad3"],
  caps: ["A", "3"],
  isEnabled: (context) => context.hasPart,
  perform: (context) => context.decide("DEFECT_ACCEPTED"),
};
