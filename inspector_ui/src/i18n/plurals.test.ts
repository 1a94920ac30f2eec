import { expect, test } from "vitest";
import { en } from "./en";

/** What is never one, or counts nothing: a rule of the settings, pixels, a figure with a unit. */
const ALWAYS_SEVERAL = new Set([
  "box.one",
  "box.most",
  "signIn.rule",
  "signIn.unfit",
  "password.rule",
  "password.unfit",
  "spc.empty",
  "spc.gathering",
  "spc.frozen",
  "spc.rule.u",
  "roi.measuredHint",
  "roi.odds",
  "drift.intro",
  "reasonWords.pages",
  "reasonWords.frozen",
  "drift.emptyHint",
  "settings.sliderHint",
]);
const COUNTED =
  /\{\{\w+\}\} (?:[a-z-]+ )?(?!(?:is|has|as|this|knows|signals|times|bytes|pixels|possible|years|draws|orders|calls|regions|s|ms)\b)[a-z-]{2,}s\b/;

function* words(tree: object, before: string[] = []): Generator<[string, string]> {
  for (const [name, value] of Object.entries(tree)) {
    if (typeof value === "string") {
      yield [[...before, name].join("."), value];
    } else {
      yield* words(value, [...before, name]);
    }
  }
}

const all = new Map(words(en));

test("a counted noun has a form for one", () => {
  const counted = [...all].filter(([key, text]) => COUNTED.test(text) && !/_(one|other)$/.test(key));
  expect(counted.map(([key]) => key).filter((key) => !ALWAYS_SEVERAL.has(key))).toEqual([]);
  for (const key of all.keys()) {
    expect(!key.endsWith("_one") || all.has(key.replace(/_one$/, "_other")), key).toBe(true);
  }
});

test("whoever says a counted noun tells how many there are", () => {
  const sources = import.meta.glob<string>(["../**/*.ts", "../**/*.tsx"], {
    query: "?raw",
    import: "default",
    eager: true,
  });
  const keys = [...all.keys()].filter((key) => key.endsWith("_one")).map((key) => key.replace(/_one$/, ""));
  const silent = keys.flatMap((key) =>
    Object.entries(sources)
      .filter(([, source]) => {
        const at = source.indexOf(`"${key}"`);
        return at >= 0 && !/\bcount[:,]/.test(source.slice(at, at + 250));
      })
      .map(([file]) => `${key} in ${file}`),
  );
  expect(silent).toEqual([]);
});
