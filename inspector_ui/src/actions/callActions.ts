import type { Action } from "./action";

/** What the calls of a study act on. */
export interface CallContext {
  mayCall: boolean;
  call(defective: boolean): void;
}

// the keys that mean the same on the Review page: a hand must not learn two meanings of one key
export const callDefective: Action<CallContext> = {
  name: "callDefective",
  label: "study.defective",
  codes: ["KeyD", "Digit1", "Numpad1"],
  caps: ["D", "1"],
  isEnabled: (context) => context.mayCall,
  perform: (context) => context.call(true),
};

export const callGood: Action<CallContext> = {
  name: "callGood",
  label: "study.good",
  codes: ["KeyF", "Digit2", "Numpad2"],
  caps: ["F", "2"],
  isEnabled: (context) => context.mayCall,
  perform: (context) => context.call(false),
};

export const callActions = [callDefective, callGood] as const;
