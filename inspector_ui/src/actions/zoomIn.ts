import type { Action } from "./action";
import type { ReviewContext } from "./reviewContext";

export const zoomIn: Action<ReviewContext> = {
  name: "zoomIn",
  label: "action.zoomIn",
  codes: ["Equal", "NumpadAdd"],
  caps: ["+"],
  shift: "any",
  isEnabled: (context) => context.hasPart,
  perform: (context) => context.zoomIn(),
};
