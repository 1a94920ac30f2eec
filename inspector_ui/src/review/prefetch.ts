import { useEffect, useRef } from "react";
import { heatmapUrl, imageUrl } from "../api/imageUrl";
import type { Inspection } from "../api/types";

const AHEAD = 5;

/** Load the images and heat maps of the next parts, so that the next one is there the moment a key is pressed. */
export function usePrefetch(next: readonly Inspection[]): void {
  const loaded = useRef(new Map<string, HTMLImageElement[]>());
  useEffect(() => {
    const wanted = new Map(next.slice(0, AHEAD).map((item) => [item.id, item]));
    for (const id of loaded.current.keys()) {
      if (!wanted.has(id)) {
        loaded.current.delete(id);
      }
    }
    for (const [id, item] of wanted) {
      if (!loaded.current.has(id)) {
        const urls = item.defect_probability === null ? [imageUrl(id)] : [imageUrl(id), heatmapUrl(id)];
        loaded.current.set(id, urls.map(load));
      }
    }
  }, [next]);
}

function load(url: string): HTMLImageElement {
  const image = new Image();
  image.src = url;
  return image;
}
