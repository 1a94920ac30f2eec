import type { HistoryItem, HistoryMark, HistoryOutline } from "../api/types";

/** Of each page, how many items come before it. */
export function startsOf({ pages }: HistoryOutline): number[] {
  let before = 0;
  return pages.map(({ items }) => {
    const start = before;
    before += items;
    return start;
  });
}

/** The page that an item is on. */
export function pageAt(starts: readonly number[], item: number): number {
  return Math.max(0, firstWhere(starts, (start) => start > item) - 1);
}

/** The page on which the first item older than a time is, if there is one. */
export function pageBefore(pages: readonly HistoryMark[], time: Date): number {
  return Math.max(0, firstWhere(pages, ({ received_at }) => new Date(received_at) < time) - 1);
}

/** Of the items of a page, the first that is older than a time; as many as there are when none is. */
export function firstBefore(items: readonly HistoryItem[], time: Date): number {
  return firstWhere(items, ({ received_at }) => new Date(received_at) < time);
}

/** How many come before the first for which a condition holds, which then holds for all after it. */
function firstWhere<T>(items: readonly T[], holds: (item: T) => boolean): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(items[middle] as T)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}
