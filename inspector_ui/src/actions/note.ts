import type { Action } from "./action";
import type { ReviewContext } from "./reviewContext";

export const note: Action<ReviewContext> = {
  name: "note",
  label: "action.note",
  codes: ["KeyN"],
  caps: ["N"],
  isEnabled: (context) => context.hasPart,
  perform: (context) => context.editNote(),
};
