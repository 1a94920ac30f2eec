import type { Action } from "./action";
import type { ReviewContext } from "./reviewContext";

export const confirmDefect: Action<ReviewContext> = {
  name: "confirmDefect",
  label: "decision.DEFECT_CONFIRMED",
  codes: ["KeyD", "Digit1", "Numpad1"],
  caps: ["D", "1"],
  isEnabled: (context) => context.hasPart,
  perform: (context) => context.decide("DEFECT_CONFIRMED"),
};
