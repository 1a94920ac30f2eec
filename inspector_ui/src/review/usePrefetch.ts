import { useEffect, useRef } from "react";
import { heatmapUrl, imageUrl } from "../api/imageUrl";
import type { QueueItem } from "../api/types";

/** How many the viewer keeps decoded; what comes after them is only fetched, for when the connection is lost. */
export const DECODED_AHEAD = 5;

/** Fetch the images of the parts in hand into the browser's cache, one after another in the order they will be needed. */
export function usePrefetch(hand: readonly QueueItem[]): void {
  const fetcher = useRef(new Fetcher());
  useEffect(() => fetcher.current.want(hand.flatMap(urls)), [hand]);
}

function urls({ id, defect_probability: score, image }: QueueItem): string[] {
  const heat = score === null ? [] : [heatmapUrl(id)];
  return image.width === null ? heat : [imageUrl(id), ...heat];
}

/** One at a time, and never cut short: on a slow connection half an image fetched again and again would be none at all. */
class Fetcher {
  private readonly fetched = new Set<string>();
  private wanted: readonly string[] = [];
  private running = false;

  want(urls: readonly string[]): void {
    this.wanted = urls;
    void this.run();
  }

  private async run(): Promise<void> {
    if (this.running) {
      return;
    }
    this.running = true;
    try {
      for (let url = this.next(); url !== undefined; url = this.next()) {
        const answer = await fetch(url, { priority: "low" });
        await answer.arrayBuffer();
        this.fetched.add(url);
      }
    } catch (error) {
      // no connection: the next hand tries again
      if (!(error instanceof TypeError)) {
        throw error;
      }
    } finally {
      this.running = false;
    }
  }

  private next(): string | undefined {
    return this.wanted.find((url) => !this.fetched.has(url));
  }
}
