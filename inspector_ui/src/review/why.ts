import type { Inspection } from "../api/types";

type Reason = "whyNothing" | "whyUnknown" | "whyReject" | "whyPass" | "whyReviewAll" | "whyReviewOpen" | "whyReview";

/** True when the frame looks unlike anything the model was trained on, so that its probability means little. */
export function looksUnknown({ novelty }: Pick<Inspection, "novelty">): boolean {
  return novelty !== null && novelty > 1;
}

/** Which sentence, of those under `review`, tells why the part has its verdict. */
export function why(inspection: Pick<Inspection, "novelty" | "thresholds" | "verdict">): Reason {
  const { thresholds, verdict } = inspection;
  if (thresholds === null) {
    return "whyNothing";
  }
  if (looksUnknown(inspection)) {
    return "whyUnknown";
  }
  if (verdict === "REJECT") {
    return "whyReject";
  }
  if (verdict === "PASS") {
    return "whyPass";
  }
  if (thresholds.pass_below === 0 && thresholds.reject_from > 1) {
    return "whyReviewAll";
  }
  return thresholds.reject_from > 1 ? "whyReviewOpen" : "whyReview";
}
