import type { Action } from "./action";
import type { ReviewContext } from "./reviewContext";

export const drawBoxes: Action<ReviewContext> = {
  name: "drawBoxes",
  label: "action.drawBoxes",
  codes: ["KeyB"],
  caps: ["B"],
  isEnabled: (context) => context.canDraw,
  perform: (context) => context.toggleDrawing(),
};
