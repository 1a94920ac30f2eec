import { TextInput } from "@mantine/core";
import { useDebouncedValue, useElementSize, useMergedRef } from "@mantine/hooks";
import { useQueries, useQueryClient } from "@tanstack/react-query";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useLayoutEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import type { HistoryItem, HistoryOutline } from "../api/types";
import { useFormat } from "../i18n/format";
import { endOfDay } from "../i18n/plantTime";
import { Thumbnail } from "../image/Thumbnail";
import { decisionLabel } from "../verdict/decisionLabel";
import { decisionVerdict, VerdictShape } from "../verdict/VerdictShape";
import { useZone } from "../who/WhoProvider";
import type { Search } from "./filters";
import classes from "./Gallery.module.css";
import { pageQuery } from "./historyQueries";
import { firstBefore, pageAt, pageBefore, startsOf } from "./places";
import { FROM_GALLERY, leaveGallery, takePlaceLeft } from "./wayBack";

interface Props {
  search: Search;
  outline: HistoryOutline;
  /** Asked for a day of which the outline has nothing, as it ends before. */
  onOlder: (until: string) => void;
}

const CARD_WIDTH = 164;
const ROW_HEIGHT = 236;
/** So many items beyond the screen are loaded with it. */
const AHEAD = 60;
/** A page that the screen passes more quickly, as when the scroll bar is dragged, is not asked for. */
const PASSING_MS = 80;
/** The header of the app and the bar of the gallery stand above what is scrolled to. */
const COVERED = 120;

/**
 * Parts as small pictures. The scroll bar stands for all of them, but only the rows on the screen exist, and only their pages
 * are loaded: a hundred thousand parts scroll like a hundred.
 */
export function Gallery({ search, outline, onOlder }: Props) {
  // The virtualizer is one object that changes: what the compiler remembers of it would be of an earlier scroll.
  "use no memo";
  const { t } = useTranslation();
  const format = useFormat();
  const client = useQueryClient();
  const zone = useZone();
  const list = useRef<HTMLDivElement>(null);
  const { ref: sizeRef, width } = useElementSize<HTMLDivElement>();
  const ref = useMergedRef(list, sizeRef);
  const [top, setTop] = useState(0);
  useLayoutEffect(() => setTop((list.current?.getBoundingClientRect().top ?? 0) + window.scrollY), []);
  const columns = Math.max(1, Math.floor(width / CARD_WIDTH));
  const count = width > 0 ? Math.ceil(outline.items / columns) : 0;
  const rows = useWindowVirtualizer({ count, estimateSize: () => ROW_HEIGHT, overscan: 3, scrollMargin: top });
  const shown = rows.getVirtualItems();
  useLayoutEffect(() => {
    const place = width > 0 ? takePlaceLeft() : null;
    if (place !== null) {
      window.scrollTo(0, place);
    }
  }, [width]);

  const starts = startsOf(outline);
  const from = (shown[0]?.index ?? 0) * columns;
  const to = Math.min(outline.items, ((shown.at(-1)?.index ?? -1) + 1) * columns);
  const firstPage = pageAt(starts, Math.max(0, from - AHEAD));
  const pages = shown.length === 0 ? [] : outline.pages.slice(firstPage, pageAt(starts, to - 1 + AHEAD) + 1);
  const [settled] = useDebouncedValue(firstPage, PASSING_MS, { leading: true });
  const loaded = useQueries({
    queries: pages.map((mark) => ({ ...pageQuery(search, mark), enabled: settled === firstPage })),
  });
  const at = (item: number): HistoryItem | undefined => {
    const page = pageAt(starts, item);
    return loaded[page - firstPage]?.data?.[item - (starts[page] ?? 0)];
  };

  const offset = rows.scrollOffset ?? 0;
  const topmost = Math.min(count - 1, Math.max(0, Math.ceil((offset + COVERED - top) / ROW_HEIGHT))) * columns;
  const bottommost = Math.floor((offset + (rows.scrollRect?.height ?? 0) - top) / ROW_HEIGHT + 0.5) * columns;
  const seen = at(topmost)?.received_at ?? outline.pages[pageAt(starts, topmost)]?.received_at;

  async function goTo(day: string) {
    const end = endOfDay(day, zone);
    const page = pageBefore(outline.pages, end);
    const mark = outline.pages[page];
    if (mark === undefined) {
      return;
    }
    const found = (starts[page] ?? 0) + firstBefore(await client.fetchQuery(pageQuery(search, mark)), end);
    if (found >= outline.items && outline.older !== null) {
      onOlder(end.toISOString());
    } else {
      window.scrollTo(0, top + Math.floor(Math.min(found, outline.items - 1) / columns) * ROW_HEIGHT - COVERED);
    }
  }

  return (
    <>
      <div className={classes.bar}>
        <span data-testid="gallery-place">
          {t("history.place", {
            first: format.count(topmost + 1),
            last: format.count(Math.max(topmost + 1, Math.min(bottommost, outline.items))),
            of: format.count(outline.items),
          })}
          {seen !== undefined && ` · ${format.dateTime(seen)}`}
        </span>
        <TextInput
          type="date"
          size="sm"
          aria-label={t("history.goTo")}
          leftSection={t("history.goTo")}
          leftSectionWidth={104}
          leftSectionProps={{ className: classes.goTo }}
          onChange={({ currentTarget: { value } }) => value !== "" && void goTo(value)}
        />
      </div>
      <div
        ref={ref}
        className={classes.gallery}
        style={{ height: rows.getTotalSize() }}
        role="feed"
        aria-label={t("history.parts")}
        aria-busy={loaded.some(({ isPending }) => isPending)}
      >
        {shown.map((row) => (
          <div
            key={row.key}
            className={classes.row}
            style={{
              gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))`,
              height: ROW_HEIGHT,
              transform: `translateY(${row.start - top}px)`,
            }}
          >
            {Array.from({ length: Math.min(columns, outline.items - row.index * columns) }, (_, column) => {
              const position = row.index * columns + column;
              const item = at(position);
              return item === undefined ? (
                <div key={position} className={classes.coming} />
              ) : (
                <Card key={item.id} item={item} position={position + 1} of={outline.items} />
              );
            })}
          </div>
        ))}
      </div>
    </>
  );
}

function Card({ item, position, of }: { item: HistoryItem; position: number; of: number }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { decision } = item;
  return (
    <article aria-posinset={position} aria-setsize={of} aria-label={item.part_id} className={classes.card}>
      <Link href={`/history?id=${item.id}`} state={FROM_GALLERY} onClick={leaveGallery} className={classes.link}>
        {item.has_image ? (
          <Thumbnail className={classes.image} inspection={item} alt="" />
        ) : (
          <span className={classes.image} />
        )}
        <span className={classes.part} title={item.part_id}>
          <bdi>{item.part_id}</bdi>
        </span>
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
