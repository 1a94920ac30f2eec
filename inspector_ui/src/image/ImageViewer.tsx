import { type CSSProperties, type ReactNode, type Ref, useImperativeHandle, useState } from "react";
import { useTranslation } from "react-i18next";
import { heatmapUrl, imageUrl } from "../api/imageUrl";
import type { Inspection, Region } from "../api/types";
import { useFormat } from "../i18n/format";
import { Icon } from "../icons/Icon";
import { Notice } from "../shell/Notice";
import classes from "./ImageViewer.module.css";
import { useView } from "./useView";
import type { Size } from "./view";

export interface ViewerHandle {
  zoomIn(): void;
  zoomOut(): void;
  fit(): void;
}

interface Props {
  inspection: Inspection;
  heat: boolean;
  heatOpacity: number;
  regions: boolean;
  handle: Ref<ViewerHandle>;
  children?: ReactNode;
}

/** From this many screen pixels per image pixel on, pixels are drawn as the squares that they are. */
const PIXELATED_FROM = 4;

/** One camera image with its evidence laid over it; mount it anew (by key) for each inspection. */
export function ImageViewer({ inspection, heat, heatOpacity, regions, handle, children }: Props) {
  const { t } = useTranslation();
  const format = useFormat();
  const [size, setSize] = useState<Size | null>(null);
  const [failed, setFailed] = useState(false);
  const { view, ref, handlers, zoomIn, zoomOut, fit } = useView(size);
  useImperativeHandle(handle, () => ({ zoomIn, zoomOut, fit }));

  const place = view === null ? { visibility: "hidden" as const } : layer(size, view);
  return (
    <div ref={ref} className={classes.viewer} {...handlers} data-testid="viewer">
      {!failed && (
        <img
          className={classes.layer}
          src={imageUrl(inspection.id)}
          alt={t("review.imageOf", { part: inspection.part_id, camera: inspection.camera })}
          draggable={false}
          style={{ ...place, imageRendering: (view?.scale ?? 0) >= PIXELATED_FROM ? "pixelated" : "auto" }}
          onLoad={({ currentTarget }) =>
            setSize({ width: currentTarget.naturalWidth, height: currentTarget.naturalHeight })
          }
          onError={() => setFailed(true)}
        />
      )}
      {heat && size !== null && (
        <img
          className={classes.layer}
          src={heatmapUrl(inspection.id)}
          alt=""
          draggable={false}
          data-testid="heat"
          style={{ ...place, opacity: heatOpacity }}
        />
      )}
      {regions && size !== null && view !== null && (
        <Regions regions={inspection.regions} size={size} style={layer(size, view)} scale={view.scale} />
      )}
      {failed && (
        <div className={classes.missing}>
          <Notice
            art={<Icon name="alert" size={56} />}
            title={t("review.noImage")}
            hint={
              inspection.image.removed_at
                ? t("review.imageRemoved", { date: format.date(inspection.image.removed_at) })
                : t("review.noImageHint", {
                    type: inspection.image.media_type,
                    bytes: format.count(inspection.image.bytes),
                  })
            }
          />
        </div>
      )}
      {children}
    </div>
  );
}

function layer(size: Size | null, { scale, x, y }: { scale: number; x: number; y: number }) {
  // the size is set too: the heat map has fewer pixels than the image that it covers
  return { width: size?.width, height: size?.height, transform: `translate(${x}px, ${y}px) scale(${scale})` };
}

interface RegionsProps {
  regions: Region[];
  size: Size;
  style: CSSProperties;
  scale: number;
}

/** Boxes in original pixels, drawn light on dark so that they show on any image. */
function Regions({ regions, size, style, scale }: RegionsProps) {
  return (
    <svg
      className={classes.layer}
      style={style}
      viewBox={`0 0 ${size.width} ${size.height}`}
      aria-hidden="true"
      data-testid="regions"
    >
      {regions.map((region) => (
        <g key={`${region.x},${region.y},${region.width},${region.height}`} fill="none">
          <rect {...box(region)} stroke="#000" strokeOpacity={0.7} strokeWidth={5 / scale} />
          <rect {...box(region)} stroke="#ffd84d" strokeWidth={2 / scale} />
        </g>
      ))}
    </svg>
  );
}

function box({ x, y, width, height }: Region) {
  return { x, y, width, height };
}
