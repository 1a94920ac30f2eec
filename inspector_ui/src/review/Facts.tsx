import { useTranslation } from "react-i18next";
import type { Inspection } from "../api/types";
import { useFormat } from "../i18n/format";
import classes from "./Facts.module.css";

/** Which part this is, where and when it was seen, and by which model. */
export function Facts({ inspection }: { inspection: Inspection }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { image, model } = inspection;
  const facts = [
    ["part", inspection.part_id],
    ["lot", inspection.lot],
    ["product", inspection.product],
    ["lineName", inspection.line],
    ["station", inspection.station],
    ["camera", inspection.camera],
    ["time", format.dateTimeZone(inspection.captured_at)],
    ["image", image.width === null ? image.media_type : `${image.width} × ${image.height}`],
    ["model", model === null ? "–" : `${model.name} ${model.version}`],
  ] as const;
  return (
    <dl className={classes.facts}>
      {facts.map(([key, value]) => (
        <div key={key} className={classes.fact}>
          <dt>{t(`review.${key}`)}</dt>
          <dd title={value} data-testid={`fact-${key}`}>
            {value === "" ? "–" : value}
          </dd>
        </div>
      ))}
    </dl>
  );
}
