import { useTranslation } from "react-i18next";
import type { QueueItem } from "../api/types";
import { Thumbnail } from "../image/Thumbnail";
import { VerdictShape } from "../verdict/VerdictShape";
import classes from "./NextParts.module.css";

const SHOWN = 12;

/** What comes next; a press takes a part out of turn. */
export function NextParts({ items, onPick }: { items: readonly QueueItem[]; onPick: (item: QueueItem) => void }) {
  const { t } = useTranslation();
  return (
    <div className={classes.strip}>
      <span className={classes.title}>{t("review.next")}</span>
      {items.slice(0, SHOWN).map((item) => (
        <button
          key={item.id}
          type="button"
          className={classes.part}
          title={item.part_id}
          aria-label={`${item.part_id}: ${t(item.blind ? "review.blind" : `verdict.${item.verdict}`)}`}
          onClick={() => onPick(item)}
        >
          <Thumbnail className={classes.image} inspection={item} alt="" />
          {!item.blind && (
            <span className={classes.mark}>
              <VerdictShape verdict={item.verdict} size={18} />
            </span>
          )}
        </button>
      ))}
    </div>
  );
}
