import type { LabelKey } from "./action";

/** Something that lasts as long as its key is held, such as looking beneath the evidence. */
export interface HoldAction {
  name: string;
  label: LabelKey;
  code: string;
  /** What is printed on the key. */
  caps: readonly string[];
}

export const hideEvidence = {
  name: "hideEvidence",
  label: "action.hideEvidence",
  code: "Space",
  caps: ["␣"],
} as const satisfies HoldAction;

export const showGood = {
  name: "showGood",
  label: "action.showGood",
  code: "KeyG",
  caps: ["G"],
} as const satisfies HoldAction;

export const holdActions: readonly HoldAction[] = [hideEvidence, showGood];
