import type { ParseKeys } from "i18next";

export type LabelKey = ParseKeys;

/**
 * Something a person can do, by key or by button. Key, button and help text all come from this one object.
 *
 * `codes` are `KeyboardEvent.code` values, the place of the key, so that other keyboard layouts work alike.
 */
export interface Action<Context> {
  name: string;
  label: LabelKey;
  codes: readonly string[];
  /** What is printed on the keys, in the order of `codes`. */
  caps: readonly string[];
  /** Whether Shift must be held; "any" where the same character needs it on some keyboards only. */
  shift?: boolean | "any";
  isEnabled?(context: Context): boolean;
  perform(context: Context): void;
}
