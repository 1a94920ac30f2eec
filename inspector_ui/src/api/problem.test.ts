import i18next from "i18next";
import { beforeAll, expect, test } from "vitest";
import { expectData, ProblemError, problemDetail } from "./problem";

const english = "there is no study 7";
const chinese = "沒有研究 7";
const both = { title: "Not Found", status: 404, detail: english, detail_zh_hant: chinese };

beforeAll(() => i18next.init({ lng: "en", fallbackLng: false, resources: {} }));

test("a refusal is said in the language of the page", async () => {
  await i18next.changeLanguage("zh-Hant");
  expect(problemDetail(404, both)).toBe(chinese);
  await i18next.changeLanguage("en");
  expect(problemDetail(404, both)).toBe(english);
});

test("what the server says in English alone is said so, and marked as English", async () => {
  await i18next.changeLanguage("zh-Hant");
  for (const body of [{ detail: english }, { detail: english, detail_zh_hant: null }]) {
    expect(thrown(body)).toMatchObject({ message: english, lang: "en", status: 404 });
  }
  expect(thrown(both)).toMatchObject({ message: chinese, lang: "zh-Hant" });
  expect(thrown(null)).toMatchObject({ message: "HTTP 404", lang: "en" });
});

function thrown(error: unknown): unknown {
  try {
    return expectData({ error, response: new Response(null, { status: 404 }) });
  } catch (problem) {
    expect(problem).toBeInstanceOf(ProblemError);
    return problem;
  }
}
