import type { CSSProperties } from "react";
import type { Box, Inspection, Region } from "../api/types";

interface Props {
  inspection: Pick<Inspection, "image">;
  url: string;
  boxes: readonly Box[];
  regions?: readonly Region[];
  /** May size it by `--ratio`, its width over its height. */
  className?: string;
  alt: string;
}

/** A still picture of a frame with the boxes that a person drew, dashed as everywhere, and the regions of the model. */
export function MarkedPicture({ inspection: { image }, url, boxes, regions = [], className, alt }: Props) {
  const { width, height } = image;
  if (width === null || height === null) {
    return null;
  }
  return (
    <svg
      className={className}
      style={{ "--ratio": width / height } as CSSProperties}
      viewBox={`0 0 ${width} ${height}`}
      role="img"
      aria-label={alt}
    >
      <image href={url} width={width} height={height} preserveAspectRatio="none" />
      {regions.map(({ x, y, width: across, height: down }) => {
        const corners = { x, y, width: across, height: down, vectorEffect: "non-scaling-stroke" } as const;
        return (
          <g key={`${x},${y},${across},${down}`} fill="none">
            <rect {...corners} stroke="#000" strokeOpacity={0.7} strokeWidth={4} />
            <rect {...corners} stroke="#ffd84d" strokeWidth={2} />
          </g>
        );
      })}
      {boxes.map(({ x0, y0, x1, y1 }, index) => {
        const corners = { x: x0, y: y0, width: x1 - x0, height: y1 - y0, vectorEffect: "non-scaling-stroke" } as const;
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: two boxes may be the same, and none moves here
          <g key={index} fill="none">
            <rect {...corners} stroke="#000" strokeOpacity={0.7} strokeWidth={4} />
            <rect {...corners} stroke="#7fe3ff" strokeWidth={2} strokeDasharray="6 4" />
          </g>
        );
      })}
    </svg>
  );
}
