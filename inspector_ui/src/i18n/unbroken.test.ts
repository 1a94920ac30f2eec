import { expect, test } from "vitest";
import { en } from "./en";
import { unbroken, unbrokenWords } from "./unbroken";
import { zhHant } from "./zhHant";

/** With the fixed spaces to be seen. */
const seen = (text: string) => text.replaceAll("\u00a0", "_");

test("a figure does not fall apart at the end of a line", () => {
  const text = "38 張影像，n = 0，約需 60 件；5 / 98 (51.3 % to 70.3 %), 3 s, p = 0.03, 9 of 12, 300 × 300";
  expect(seen(unbroken(text))).toBe(
    "38_張影像，n_=_0，約需 60_件；5_/_98 (51.3_% to 70.3_%), 3_s, p_=_0.03, 9_of_12, 300_×_300",
  );
});

test("words stay apart, and so do the ids that are filled in", () => {
  const text = "Part {{part}} of lot {{lot}}, {{name}} 已知悉, 8 simple points";
  expect(unbroken(text)).toBe(text);
});

test("the words of both languages keep their figures together", () => {
  const told = [en, zhHant].map((words) => {
    const { quality } = unbrokenWords<Pick<typeof zhHant, "quality">>(words);
    return [quality.fewAudits, quality.of, quality.seconds].map(seen);
  });
  expect(told).toEqual([
    ["Not enough audits of passed parts yet: n_=_{{n}}.", "{{numerator}}_of_{{denominator}}", "{{n}}_s"],
    ["合格零件的抽查數量不足：n_=_{{n}}。", "{{numerator}}_/_{{denominator}}", "{{n}}_秒"],
  ]);
});
