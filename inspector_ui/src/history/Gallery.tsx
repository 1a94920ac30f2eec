import { useElementSize, useMergedRef } from "@mantine/hooks";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import type { HistoryItem } from "../api/types";
import { useFormat } from "../i18n/format";
import { Thumbnail } from "../image/Thumbnail";
import { decisionLabel } from "../verdict/decisionLabel";
import { decisionVerdict, VerdictShape } from "../verdict/VerdictShape";
import classes from "./Gallery.module.css";

interface Props {
  items: readonly HistoryItem[];
  hasMore: boolean;
  onMore: () => void;
}

const CARD_WIDTH = 164;
const ROW_HEIGHT = 236;
/** So many rows before the end of what is loaded, more is asked for. */
const AHEAD_ROWS = 6;

/** Parts as small pictures. Only the rows on the screen exist, so that a hundred thousand parts scroll like a hundred. */
export function Gallery({ items, hasMore, onMore }: Props) {
  const { t } = useTranslation();
  const list = useRef<HTMLDivElement>(null);
  const { ref: sizeRef, width } = useElementSize<HTMLDivElement>();
  const ref = useMergedRef(list, sizeRef);
  const [top, setTop] = useState(0);
  useLayoutEffect(() => setTop(list.current?.offsetTop ?? 0), []);
  const columns = Math.max(1, Math.floor(width / CARD_WIDTH));
  const count = Math.ceil(items.length / columns);
  const rows = useWindowVirtualizer({ count, estimateSize: () => ROW_HEIGHT, overscan: 3, scrollMargin: top });
  const shown = rows.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;
  useEffect(() => {
    if (hasMore && width > 0 && last >= count - AHEAD_ROWS) {
      onMore();
    }
  }, [hasMore, width, last, count, onMore]);
  return (
    <div
      ref={ref}
      className={classes.gallery}
      style={{ height: rows.getTotalSize() }}
      role="feed"
      aria-label={t("history.parts")}
      aria-busy={hasMore}
    >
      {width > 0 &&
        shown.map((row) => (
          <div
            key={row.key}
            className={classes.row}
            style={{
              gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))`,
              height: ROW_HEIGHT,
              transform: `translateY(${row.start - top}px)`,
            }}
          >
            {items.slice(row.index * columns, (row.index + 1) * columns).map((item, index) => (
              <Card key={item.id} item={item} position={row.index * columns + index + 1} />
            ))}
          </div>
        ))}
    </div>
  );
}

function Card({ item, position }: { item: HistoryItem; position: number }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { decision } = item;
  return (
    <article aria-posinset={position} aria-setsize={-1} aria-label={item.part_id} className={classes.card}>
      <Link href={`/history?id=${item.id}`} className={classes.link}>
        {item.has_image ? (
          <Thumbnail className={classes.image} inspection={item} alt="" />
        ) : (
          <span className={classes.image} />
        )}
        <span className={classes.part}>{item.part_id}</span>
        <span className={classes.fact}>{format.dateTime(item.received_at)}</span>
        <span className={classes.verdict}>
          <VerdictShape verdict={item.verdict} size={14} /> {t(`verdict.${item.verdict}`)}
        </span>
        <span className={classes.verdict}>
          {decision !== null && (
            <>
              <VerdictShape verdict={decisionVerdict(decision)} size={14} />{" "}
              {t(decisionLabel(decision, item.verdict === "PASS"))}
            </>
          )}
        </span>
      </Link>
    </article>
  );
}
