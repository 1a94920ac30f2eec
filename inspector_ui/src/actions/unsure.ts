import type { Action } from "./action";
import type { ReviewContext } from "./reviewContext";

export const unsure: Action<ReviewContext> = {
  name: "unsure",
  label: "decision.UNSURE",
  codes: ["KeyU", "Digit4", "Numpad4"],
  caps: ["U", "4"],
  isEnabled: (context) => context.hasPart,
  perform: (context) => context.decide("UNSURE"),
};
