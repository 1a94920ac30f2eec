import type { Action } from "./action";
import type { ReviewContext } from "./reviewContext";

export const falseCall: Action<ReviewContext> = {
  name: "falseCall",
  label: "decision.FALSE_CALL",
  codes: ["KeyF", "Digit2", "Numpad2"],
  caps: ["F", "2"],
  isEnabled: (context) => context.hasPart,
  perform: (context) => context.decide("FALSE_CALL"),
};
