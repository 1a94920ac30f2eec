import type { Action } from "./action";

export interface HelpContext {
  showHelp(): void;
}

export const showHelp: Action<HelpContext> = {
  name: "showHelp",
  label: "action.help",
  codes: ["Slash"],
  caps: ["?"],
  shift: "any",
  perform: (context) => context.showHelp(),
};
