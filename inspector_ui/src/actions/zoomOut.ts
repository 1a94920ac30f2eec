import type { Action } from "./action";
import type { ReviewContext } from "./reviewContext";

export const zoomOut: Action<ReviewContext> = {
  name: "zoomOut",
  label: "action.zoomOut",
  codes: ["Minus", "NumpadSubtract"],
  caps: ["−"],
  isEnabled: (context) => context.hasPart,
  perform: (context) => context.zoomOut(),
};
