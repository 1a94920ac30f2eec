import { expect, test } from "vitest";
import { looksUnknown, why } from "./why";

const LIMITS = { pass_below: 0.1, reject_from: 0.9, change: null, guaranteed: true };

test("a frame unlike any in training is explained as such, not by its probability", () => {
  expect(why({ verdict: "REVIEW", thresholds: LIMITS, novelty: 1.3 })).toBe("whyUnknown");
  expect(looksUnknown({ novelty: 1.3 })).toBe(true);
});

test.each([
  ["PASS", LIMITS, "whyPass"],
  ["REJECT", LIMITS, "whyReject"],
  ["REVIEW", LIMITS, "whyReview"],
  ["REVIEW", { ...LIMITS, reject_from: 1.1 }, "whyReviewOpen"],
  ["REVIEW", { ...LIMITS, pass_below: 0, reject_from: 1.1 }, "whyReviewAll"],
  ["NO_DECISION", null, "whyNothing"],
] as const)("a known frame, or one whose model cannot tell, keeps its reason: %s", (verdict, thresholds, reason) => {
  for (const novelty of [null, 0.2, 1]) {
    expect(why({ verdict, thresholds, novelty })).toBe(reason);
    expect(looksUnknown({ novelty })).toBe(false);
  }
});
