import { useTranslation } from "react-i18next";
import type { Inspection } from "../api/types";
import { useFormat } from "../i18n/format";

/** One plain sentence why the part was flagged. */
export function useWhy({ verdict, thresholds }: Inspection): string {
  const { t } = useTranslation();
  const format = useFormat();
  if (thresholds === null) {
    return t("review.whyNothing");
  }
  const pass = format.percent(thresholds.pass_below);
  const reject = format.percent(thresholds.reject_from);
  if (verdict === "REJECT") {
    return t("review.whyReject", { reject });
  }
  if (verdict === "PASS") {
    return t("review.whyPass", { pass });
  }
  return thresholds.reject_from > 1 ? t("review.whyReviewOpen", { pass }) : t("review.whyReview", { pass, reject });
}
