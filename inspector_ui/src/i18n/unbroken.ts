const FIXED = "\u00a0";

/** What a number counts or is measured in, of which a space parts it. */
const UNITS = "[%‰]|(?:s|ms|MB)\\b|[張件個筆項次天秒點組列人條倍年月週級種站頁位步毫小像]";

/**
 * The text with the spaces fixed at which a figure would fall apart at the end of a line: n = 30, 5 / 98, 5 of 98, 3 s, 30 張.
 * In the interface's own words a figure is its place, such as {{n}}.
 */
export function unbroken(text: string): string {
  return text
    .replace(/\b([np]) = (?=\d|\{\{)/g, `$1${FIXED}=${FIXED}`)
    .replace(/(?<=\d|%|\}\}) (\/|of|×|x|±|−|–) (?=\d|\{\{)/g, `${FIXED}$1${FIXED}`)
    .replace(new RegExp(`(?<=\\d|\\}\\}) (?=${UNITS})`, "g"), FIXED);
}

/** All words of a language, each unbroken. What is filled in later, such as a part's id, stays as it is. */
export function unbrokenWords<T extends object>(words: T): T {
  return Object.fromEntries(
    Object.entries(words).map(([key, value]) => [
      key,
      typeof value === "string" ? unbroken(value) : unbrokenWords(value),
    ]),
  ) as T;
}
