import type { Action } from "./action";

/** The part of a KeyboardEvent that decides; a plain object does in tests. */
export type KeyPress = Pick<
  KeyboardEvent,
  "code" | "repeat" | "isComposing" | "ctrlKey" | "altKey" | "metaKey" | "shiftKey" | "preventDefault"
> & { target: EventTarget | null };

/**
 * Perform the action that a key press means; returns its name, or null when the press means nothing.
 *
 * A held key must not pass thirty parts, so repeats are ignored; so is typing in a field or composing a character.
 */
export function dispatchKey<Context>(
  event: KeyPress,
  actions: readonly Action<Context>[],
  context: Context,
): string | null {
  if (event.repeat || event.isComposing || event.ctrlKey || event.altKey || event.metaKey || isTyping(event.target)) {
    return null;
  }
  const action = actions.find(
    (each) => each.codes.includes(event.code) && shiftFits(each, event) && isEnabled(each, context),
  );
  if (action === undefined) {
    return null;
  }
  event.preventDefault();
  action.perform(context);
  return action.name;
}

export function isEnabled<Context>(action: Action<Context>, context: Context): boolean {
  return action.isEnabled?.(context) ?? true;
}

function shiftFits(action: Pick<Action<never>, "shift">, event: KeyPress): boolean {
  return action.shift === "any" || event.shiftKey === (action.shift ?? false);
}

/** Whether a key pressed there is meant for a text field. */
export function isTyping(target: EventTarget | null): boolean {
  const element = target as Partial<HTMLElement> | null;
  if (element?.isContentEditable) {
    return true;
  }
  const tag = element?.tagName;
  if (tag === "INPUT") {
    return !["checkbox", "radio", "range", "button"].includes((element as HTMLInputElement).type);
  }
  return tag === "TEXTAREA" || tag === "SELECT";
}
