import type { ParseKeys } from "i18next";
import { useTranslation } from "react-i18next";
import { unbroken } from "./unbroken";

type Key = Extract<ParseKeys, `reasonWords.${string}`>;

/**
 * The sentences in which the server keeps why a frame was held, each with the words for it. They are stored in English;
 * what none of these knows, such as a decoder's own message, is shown as it is.
 */
const SENTENCES: readonly (readonly [RegExp, Key])[] = [
  [/^the image is empty \(0 bytes\)$/, "reasonWords.empty"],
  [/^not a JPEG, PNG, BMP, TIFF or WebP image, or its header is damaged$/, "reasonWords.notImage"],
  [/^more than the (?<most>[\d,]+) pixels allowed$/, "reasonWords.tooMany"],
  [/^(?<width>\d+) x (?<height>\d+) pixels; at most (?<most>[\d,]+) are allowed$/, "reasonWords.tooLarge"],
  [/^(?<pages>\d+) pages in one file; send one frame at a time$/, "reasonWords.pages"],
  [/^the pixels cannot be decoded: the file is cut off or damaged$/, "reasonWords.damaged"],
  [/^the JPEG is cut off: its end marker is missing$/, "reasonWords.cutOff"],
  [/^the JPEG is damaged: no marker at byte (?<place>\d+)$/, "reasonWords.noMarker"],
  [/^the JPEG is damaged: another image begins within it$/, "reasonWords.another"],
  [
    /^the camera is frozen: it sent the same picture for (?<alike>\d+) parts in a row, from part (?<part>.+) on$/,
    "reasonWords.frozen",
  ],
  [/^no model is active: (?<why>.+)$/s, "reasonWords.noModel"],
  [/^no decision within (?<seconds>\S+) s$/, "reasonWords.timeout"],
  [/^the model failed: (?<why>.+)$/s, "reasonWords.modelFailed"],
  [/^looks unlike anything the model was trained on \((?<times>\S+) times the limit\)$/, "reasonWords.unlike"],
  [/^(?<width>\d+) x (?<height>\d+) pixels, training had (?<usual>.+)$/, "reasonWords.size"],
  ...(
    [
      ["darker than the training images: mean brightness", "reasonWords.darker"],
      ["brighter than the training images: mean brightness", "reasonWords.brighter"],
      ["more of it is black than of the training images:", "reasonWords.black"],
      ["more of it is saturated than of the training images:", "reasonWords.saturated"],
      ["less contrast than the training images: standard deviation", "reasonWords.contrast"],
      ["more blurred than the training images: sharpness", "reasonWords.blurred"],
      ["noisier than the training images: sharpness", "reasonWords.noisy"],
      ["less colour than the training images: saturation", "reasonWords.lessColour"],
      ["more colour than the training images: saturation", "reasonWords.moreColour"],
    ] as const
  ).map(
    ([words, key]) => [new RegExp(`^${words} (?<value>\\S+(?: %)?), usual (?<low>\\S+) to (?<high>.+)$`), key] as const,
  ),
];

/** Which words a stored sentence has, and what to fill in; null for a sentence that none knows. */
export function reasonWords(reason: string): { key: Key; values: Record<string, string> } | null {
  for (const [sentence, key] of SENTENCES) {
    const found = sentence.exec(reason);
    if (found !== null) {
      return { key, values: { ...found.groups } };
    }
  }
  return null;
}

/** A stored sentence in the language of the page, and the language that it is in. */
export function useReason(): (reason: string) => { words: string; lang: string } {
  const { t, i18n } = useTranslation();
  return (reason) => {
    const found = reasonWords(reason);
    return found === null
      ? { words: reason, lang: "en" }
      : { words: unbroken(t(found.key, { ...found.values, defaultValue: reason })), lang: i18n.language };
  };
}
