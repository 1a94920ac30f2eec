import type { Action } from "./action";
import type { ReviewContext } from "./reviewContext";

export const nextClass: Action<ReviewContext> = {
  name: "nextClass",
  label: "action.nextClass",
  codes: ["KeyC"],
  caps: ["C"],
  isEnabled: (context) => context.hasPart && context.hasClasses,
  perform: (context) => context.nextClass(),
};
