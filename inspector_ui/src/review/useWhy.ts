import { useTranslation } from "react-i18next";
import type { Inspection } from "../api/types";
import { useFormat } from "../i18n/format";
import { why } from "./why";

/** One plain sentence why the part was flagged. */
export function useWhy(inspection: Inspection): string {
  const { t } = useTranslation();
  const format = useFormat();
  const { thresholds, novelty } = inspection;
  return t(`review.${why(inspection)}`, {
    pass: format.percent(thresholds?.pass_below ?? 0),
    reject: format.percent(thresholds?.reject_from ?? 1),
    // beyond the limit by however little, it is not shown as at the limit
    times: format.number(Math.max(novelty ?? 0, 1.01)),
  });
}
