import { Group, Loader } from "@mantine/core";
import { useNetwork } from "@mantine/hooks";
import { type ReactNode, type Ref, useEffect, useImperativeHandle, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useStreamState } from "../api/EventStreamProvider";
import { heatmapUrl } from "../api/imageUrl";
import type { Inspection, Region } from "../api/types";
import { useFormat } from "../i18n/format";
import { Icon } from "../icons/Icon";
import { Notice } from "../shell/Notice";
import classes from "./ImageViewer.module.css";
import { pictureOf } from "./picture";
import { Stage, type Strokes } from "./stage";

export interface ViewerHandle {
  /** Show the image that comes next before the page knows; its evidence follows with the page. Resolves when it is on the screen. */
  showAhead(inspection: Inspection): Promise<void>;
  zoomIn(): void;
  zoomOut(): void;
  fit(): void;
  actualSize(): void;
  /** Which part of the image is seen, in its pixels, and how many CSS pixels each of them takes. */
  seen(): ReturnType<Stage["seen"]>;
}

const LONGEST_WAIT_MS = 100;
/** Longer than any image takes that was fetched ahead: words that come and go at once only disturb. */
const LATE_MS = 400;
const TRY_AGAIN_MS = 2000;
const LONGEST_BREAK_MS = 60_000;
/** After so many tries of an image in a row, the server answering all the while, it is gone there, or damaged. */
const MOST_HOPEFUL_TRIES = 2;

interface Props {
  inspection: Inspection;
  /** Whose images are kept ready, so that the next one is there at once. */
  next?: readonly Inspection[];
  heat: boolean;
  heatOpacity: number;
  regions: boolean;
  /** Another inspection's image to show in the place of this one, at the same zoom, while it is set. */
  instead?: Inspection | null;
  /** What people marked: placed by the style sheet of `Boxes`. */
  marks?: ReactNode;
  /** Who is told what a pointer draws, while it draws. */
  strokes?: Strokes | null;
  handle: Ref<ViewerHandle>;
  children?: ReactNode;
}

/** One camera image with its evidence laid over it: wheel, pinch, drag, arrow keys and buttons. */
export function ImageViewer(props: Props) {
  const { inspection, next, heat, heatOpacity, regions, instead, marks, strokes = null, handle, children } = props;
  const { t } = useTranslation();
  const root = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLDivElement>(null);
  const overlay = useRef<HTMLDivElement>(null);
  const marked = useRef<HTMLDivElement>(null);
  const stage = useRef<Stage | null>(null);
  // how often each was tried in a row; infinite where no try can help
  const [failed, setFailed] = useState<ReadonlyMap<string, number>>(new Map());
  const [late, setLate] = useState<string | null>(null);
  const awaited = useRef<(() => void) | null>(null);
  useImperativeHandle(handle, () => ({
    showAhead: (following) => {
      const coming = pictureOf(following);
      if (coming === null || stage.current?.isReady(coming) !== true || overlay.current === null) {
        return Promise.resolve();
      }
      // what was marked in the image before must not lie over this one
      overlay.current.style.visibility = "hidden";
      marked.current?.style.setProperty("visibility", "hidden");
      stage.current.show(coming);
      return new Promise((resolve) => {
        awaited.current = resolve;
        // a hidden tab draws nothing
        window.setTimeout(resolve, LONGEST_WAIT_MS);
      });
    },
    zoomIn: () => stage.current?.zoomIn(),
    zoomOut: () => stage.current?.zoomOut(),
    fit: () => stage.current?.fit(),
    actualSize: () => stage.current?.actualSize(),
    seen: () => stage.current?.seen() ?? null,
  }));

  useEffect(() => {
    if (canvas.current === null) {
      return;
    }
    const made = new Stage(canvas.current, {
      // past React: this runs with every frame of a zoom
      onPlace: ({ scale, x, y }, picture) => {
        if (overlay.current !== null) {
          overlay.current.style.width = `${picture.width}px`;
          overlay.current.style.height = `${picture.height}px`;
          overlay.current.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
        }
        if (marked.current !== null) {
          for (const [name, value] of Object.entries({ scale, x, y })) {
            marked.current.style.setProperty(`--${name}`, String(value));
          }
        }
        if (root.current !== null) {
          root.current.dataset.scale = scale.toFixed(4);
        }
      },
      onDrawn: (id) => {
        if (root.current !== null) {
          root.current.dataset.drawn = id;
        }
        setLate((before) => (before === id ? null : before));
        setFailed((before) => (before.has(id) ? new Map([...before].filter(([each]) => each !== id)) : before));
        const resolve = awaited.current;
        awaited.current = null;
        if (resolve !== null) {
          // what follows draws the page anew: the picture comes to the screen first
          requestAnimationFrame(() => window.setTimeout(resolve));
        }
      },
      onFailed: (id, lost) =>
        setFailed((before) => new Map([...before, [id, lost ? (before.get(id) ?? 0) + 1 : Number.POSITIVE_INFINITY]])),
    });
    stage.current = made;
    return () => {
      stage.current = null;
      made.destroy();
    };
  }, []);

  // the browser knows that its network is gone before the stream does, and not that the server is
  const { online } = useNetwork();
  const connected = useStreamState() !== "lost" && online;
  useEffect(() => {
    if (connected) {
      setFailed((before) => new Map([...before].filter(([, tries]) => !Number.isFinite(tries))));
      stage.current?.retry();
    }
  }, [connected]);
  // one answer may be lost on bad Wi-Fi while the stream holds
  useEffect(() => {
    const fewest = Math.min(...failed.values());
    if (connected && Number.isFinite(fewest)) {
      const wait = Math.min(TRY_AGAIN_MS * 2 ** (fewest - 1), LONGEST_BREAK_MS);
      const waiting = window.setTimeout(() => stage.current?.retry(), wait);
      return () => window.clearTimeout(waiting);
    }
  }, [connected, failed]);

  const picture = pictureOf(inspection);
  // the id alone tells one part from another: a refreshed copy of the same part must not reset the zoom
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  useEffect(() => {
    if (overlay.current !== null) {
      overlay.current.style.visibility = "";
    }
    marked.current?.style.removeProperty("visibility");
    if (picture === null) {
      return;
    }
    stage.current?.show(picture);
    const waiting = window.setTimeout(() => {
      setLate(root.current?.dataset.drawn === picture.id ? null : picture.id);
    }, LATE_MS);
    return () => window.clearTimeout(waiting);
  }, [picture?.id]);
  useEffect(() => {
    const pictures = [...(next ?? []), ...(instead ? [instead] : [])].map(pictureOf);
    stage.current?.keepReady(pictures.filter((each) => each !== null));
  }, [next, instead]);
  useEffect(() => {
    stage.current?.showInstead(instead ? pictureOf(instead) : null);
  }, [instead]);

  useEffect(() => {
    stage.current?.draw(strokes);
  }, [strokes]);

  const tries = failed.get(inspection.id) ?? 0;
  const mayCome = tries <= MOST_HOPEFUL_TRIES || (!connected && Number.isFinite(tries));
  const missing = picture === null || failed.has(inspection.id);
  const loading = !missing && late === inspection.id;
  const evidence = !missing && !loading && !instead;
  return (
    <div
      ref={root}
      className={classes.viewer}
      data-testid="viewer"
      data-part={inspection.part_id}
      data-drawing={strokes !== null}
    >
      <div
        ref={canvas}
        className={classes.canvas}
        role="img"
        aria-label={t("review.imageOf", { part: inspection.part_id, camera: inspection.camera })}
      />
      <div ref={overlay} className={classes.overlay} aria-hidden="true">
        {heat && evidence && (
          <img
            className={classes.layer}
            src={heatmapUrl(inspection.id)}
            alt=""
            draggable={false}
            data-testid="heat"
            style={{ opacity: heatOpacity }}
          />
        )}
        {regions && evidence && <Regions inspection={inspection} />}
      </div>
      <div ref={marked} className={classes.marks}>
        {evidence && marks}
      </div>
      {loading && (
        <Group className={classes.loading} role="status" gap="sm">
          <Loader color="gray.3" size="sm" />
          {t("review.imageLoading")}
        </Group>
      )}
      {missing && <Missing inspection={inspection} away={picture !== null && mayCome} />}
      {children}
    </div>
  );
}

function Missing({ inspection: { image }, away }: Pick<Props, "inspection"> & { away: boolean }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (away) {
    return (
      <div className={classes.missing}>
        <Notice
          art={<Icon name="cloudOff" size={56} />}
          title={t("review.imageAway")}
          hint={t("review.imageAwayHint")}
        />
      </div>
    );
  }
  return (
    <div className={classes.missing}>
      <Notice
        art={<Icon name="alert" size={56} />}
        title={t("review.noImage")}
        hint={
          image.removed_at
            ? t("review.imageRemoved", { date: format.date(image.removed_at) })
            : t("review.noImageHint", { type: image.media_type, bytes: format.count(image.bytes) })
        }
      />
    </div>
  );
}

/** Boxes in original pixels, drawn light on dark so that they show on any image; as thick at every zoom. */
function Regions({ inspection: { image, regions } }: Pick<Props, "inspection">) {
  return (
    <svg
      className={classes.layer}
      viewBox={`0 0 ${image.width} ${image.height}`}
      data-testid="regions"
      aria-hidden="true"
    >
      {regions.map((region) => (
        <g key={`${region.x},${region.y},${region.width},${region.height}`} fill="none">
          <rect {...box(region)} stroke="#000" strokeOpacity={0.7} strokeWidth={5} vectorEffect="non-scaling-stroke" />
          <rect {...box(region)} stroke="#ffd84d" strokeWidth={2} vectorEffect="non-scaling-stroke" />
        </g>
      ))}
    </svg>
  );
}

function box({ x, y, width, height }: Region) {
  return { x, y, width, height };
}
