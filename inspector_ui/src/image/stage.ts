import OpenSeadragon from "openseadragon";
import type { Corners, Point } from "./boxes";

/** An image to show; its size is known beforehand, so that nothing must be loaded to lay it out. */
export interface Picture {
  id: string;
  url: string;
  width: number;
  height: number;
}

/** Where the image lies: `scale` CSS pixels per image pixel, `x`, `y` its upper left corner in the viewer. */
export interface Place {
  scale: number;
  x: number;
  y: number;
}

/** What a pointer does to the image while it is drawn on; places are in image pixels. */
export interface Strokes {
  /** `slop` is how far from its middle the pointer may reach. */
  press(at: Point, slop: number): void;
  move(at: Point): void;
  release(): void;
  /** It turned out to be a pinch. */
  cancel(): void;
}

interface Events {
  onPlace(place: Place, picture: Picture): void;
  /** The picture is drawn on the screen. */
  onDrawn(id: string): void;
  /** `lost`: it may come yet, as when the connection broke. */
  onFailed(id: string, lost: boolean): void;
}

interface Layer {
  picture: Picture;
  /** Null until OpenSeadragon has taken it in. */
  item: OpenSeadragon.TiledImage | null;
}

/** What OpenSeadragon asks to be loaded. */
interface TileJob {
  src: string;
  tile: { level: number };
  userData: { abort?: () => void };
  finish(data: CanvasRenderingContext2D, request: null, type: "context2d"): void;
  fail(message: string, request: null): void;
}

/** How a failure begins that another try would meet again; OpenSeadragon passes on nothing but words. */
const UNFIT = "unfit";
const SERVER_AT_FAULT = 500;
/** Not the image's either: the server took too long or is asked too much. */
const LATER = new Set([408, 429]);
const STEP = 1.5;
/** How much larger than the screen a picture is kept, so that a window may grow a little. */
const ROOM = 1.2;
const WORTH_REDUCING = 0.7;
const LARGEST_SCALE = 32;
/** From this many screen pixels per image pixel on, pixels are drawn as the squares that they are. */
const SQUARES_FROM = 4;
/** CSS pixels about a pointer that count as under it. */
const SLOP = { mouse: 8, other: 22 };

/**
 * OpenSeadragon with the images that come next already decoded, invisible, in the same place: to go on to one is to
 * change two opacities. Each image is one tile, for an inspection camera's frame fits the memory of the graphics card.
 */
export class Stage {
  private readonly viewer: OpenSeadragon.Viewer;
  private readonly events: Events;
  private readonly layers = new Map<string, Layer>();
  private current: string | null = null;
  private instead: string | null = null;
  private drawn: string | null = null;
  /** Whether each may come yet. */
  private readonly failed = new Map<string, boolean>();
  private fitted = true;
  private smooth = true;
  private strokes: Strokes | null = null;
  private stroking = false;

  constructor(element: HTMLElement, events: Events) {
    this.events = events;
    this.viewer = new OpenSeadragon.Viewer({
      element,
      drawer: "canvas",
      showNavigationControl: false,
      animationTime: 0.2,
      springStiffness: 12,
      visibilityRatio: 0.5,
      constrainDuringPan: true,
      zoomPerScroll: 1.2,
      preload: true,
      gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: false },
      gestureSettingsPen: { clickToZoom: false, dblClickToZoom: false },
      gestureSettingsTouch: { clickToZoom: false, dblClickToZoom: false },
    });
    const { viewer } = this;
    viewer.addHandler("canvas-double-click", () => this.strokes ?? this.fit());
    for (const moved of ["canvas-drag", "canvas-scroll", "canvas-pinch"] as const) {
      viewer.addHandler(moved, () => {
        this.fitted = this.fitted && this.strokes !== null && moved === "canvas-drag";
      });
    }
    this.listenForStrokes();
    // letters decide about parts here; OpenSeadragon would rotate, flip and pan by them
    viewer.addHandler("canvas-key", (event) => {
      const { code } = event.originalEvent as KeyboardEvent;
      event.preventDefaultAction = !code.startsWith("Arrow");
      this.fitted = this.fitted && event.preventDefaultAction;
    });
    viewer.addHandler("resize", () => {
      this.limitZoom();
      if (this.fitted) {
        // OpenSeadragon zooms by itself as soon as this returns, and would undo it
        queueMicrotask(() => this.fit());
      }
    });
    viewer.addHandler("tile-load-failed", ({ tiledImage, message }) => {
      const failed = [...this.layers.values()].find((layer) => layer.item === tiledImage);
      if (failed !== undefined) {
        const lost = !message.startsWith(UNFIT);
        this.failed.set(failed.picture.id, lost);
        events.onFailed(failed.picture.id, lost);
      }
    });
    viewer.addHandler("update-viewport", () => this.afterDraw());
  }

  /** Keep these pictures ready, and forget all others but the one that is shown. */
  keepReady(pictures: readonly Picture[]): void {
    const wanted = new Set([...pictures.map(({ id }) => id), this.current, this.instead]);
    for (const [id, layer] of this.layers) {
      if (!wanted.has(id)) {
        this.forget(id, layer);
      }
    }
    for (const picture of pictures) {
      this.take(picture);
    }
  }

  /** Load once more what may come yet. */
  retry(): void {
    for (const [id, lost] of [...this.failed]) {
      const layer = this.layers.get(id);
      if (lost && layer !== undefined) {
        this.forget(id, layer);
        this.take(layer.picture);
      }
    }
    this.drawn = null;
    this.applyOpacity();
  }

  /** Whether the picture is decoded and waits to be shown. */
  isReady(picture: Picture): boolean {
    return !this.failed.has(picture.id) && this.layers.get(picture.id)?.item?.getFullyLoaded() === true;
  }

  /** Show a picture, whole; nothing is done again for the one that is shown. */
  show(picture: Picture): void {
    if (this.current === picture.id && this.instead === null && this.fitted) {
      return;
    }
    this.take(picture);
    this.current = picture.id;
    this.instead = null;
    this.drawn = null;
    this.limitZoom();
    this.fit();
    this.applyOpacity();
  }

  /** Show another picture in the place of the current one, as long as it is not null; the view stays. */
  showInstead(picture: Picture | null): void {
    if (picture !== null) {
      this.take(picture);
    }
    this.instead = picture?.id ?? null;
    this.applyOpacity();
  }

  /** Let one pointer draw instead of moving the image, as long as it is not null; wheel and pinch zoom all the same. */
  draw(strokes: Strokes | null): void {
    this.strokes = strokes;
    this.stroking = this.stroking && strokes !== null;
  }

  /** Which part of the image is seen, in its pixels, and how many CSS pixels each of them takes. */
  seen(): (Corners & { scale: number }) | null {
    const picture = this.picture;
    if (picture === undefined) {
      return null;
    }
    const { x, y } = this.viewer.viewport.getContainerSize();
    const one = this.imagePoint(new OpenSeadragon.Point(0, 0), picture);
    const other = this.imagePoint(new OpenSeadragon.Point(x, y), picture);
    return {
      x0: Math.max(one.x, 0),
      y0: Math.max(one.y, 0),
      x1: Math.min(other.x, picture.width),
      y1: Math.min(other.y, picture.height),
      scale: this.scale(picture),
    };
  }

  zoomIn(): void {
    this.zoomBy(STEP);
  }

  zoomOut(): void {
    this.zoomBy(1 / STEP);
  }

  /** The whole image, centred. */
  fit(): void {
    const picture = this.picture;
    if (picture !== undefined) {
      this.fitted = true;
      const { viewport } = this.viewer;
      viewport.fitBounds(new OpenSeadragon.Rect(0, 0, 1, picture.height / picture.width), true);
      this.viewer.forceRedraw();
    }
  }

  /** One screen pixel for each image pixel, on whole screen pixels, so that nothing is interpolated. */
  actualSize(): void {
    const picture = this.picture;
    if (picture === undefined) {
      return;
    }
    this.fitted = false;
    const { viewport } = this.viewer;
    const ratio = window.devicePixelRatio;
    viewport.zoomTo(picture.width / ratio / viewport.getContainerSize().x, undefined, true);
    viewport.applyConstraints(true);
    const origin = viewport.pixelFromPoint(new OpenSeadragon.Point(0, 0), true);
    const off = new OpenSeadragon.Point(
      origin.x - Math.round(origin.x * ratio) / ratio,
      origin.y - Math.round(origin.y * ratio) / ratio,
    );
    viewport.panBy(viewport.deltaPointsFromPixels(off, true), true);
    this.viewer.forceRedraw();
  }

  destroy(): void {
    this.viewer.destroy();
  }

  /** A pointer that goes down, moves and comes up again; OpenSeadragon tells these from wheel and pinch, for every kind. */
  private listenForStrokes(): void {
    const { viewer } = this;
    viewer.addHandler("canvas-press", ({ position, pointerType }) => {
      const picture = this.picture;
      if (this.strokes !== null && picture !== undefined && position !== undefined) {
        this.stroking = true;
        const slop = pointerType === "mouse" ? SLOP.mouse : SLOP.other;
        this.strokes.press(this.imagePoint(position, picture), slop / this.scale(picture));
      }
    });
    viewer.addHandler("canvas-drag", (event) => {
      const picture = this.picture;
      event.preventDefaultAction = this.strokes !== null;
      if (this.stroking && picture !== undefined) {
        this.strokes?.move(this.imagePoint(event.position, picture));
      }
    });
    viewer.addHandler("canvas-drag-end", (event) => {
      event.preventDefaultAction = this.strokes !== null;
    });
    viewer.addHandler("canvas-pinch", () => {
      if (this.stroking) {
        this.stroking = false;
        this.strokes?.cancel();
      }
    });
    viewer.addHandler("canvas-release", () => {
      if (this.stroking) {
        this.stroking = false;
        this.strokes?.release();
      }
    });
  }

  private scale({ width }: Picture): number {
    const { viewport } = this.viewer;
    return (viewport.getContainerSize().x * viewport.getZoom(true)) / width;
  }

  private imagePoint(position: OpenSeadragon.Point, { width }: Picture): Point {
    const { x, y } = this.viewer.viewport.pointFromPixel(position, true);
    return { x: x * width, y: y * width };
  }

  private get picture(): Picture | undefined {
    return this.current === null ? undefined : this.layers.get(this.current)?.picture;
  }

  private forget(id: string, { item }: Layer): void {
    this.layers.delete(id);
    this.failed.delete(id);
    if (item !== null) {
      this.viewer.world.removeItem(item);
    }
  }

  private take(picture: Picture): void {
    if (this.layers.has(picture.id)) {
      return;
    }
    const layer: Layer = { picture, item: null };
    this.layers.set(picture.id, layer);
    const { width, height, url } = picture;
    const scales = this.scales(picture);
    this.viewer.addTiledImage({
      tileSource: {
        width,
        height,
        tileWidth: width,
        tileHeight: height,
        // without any, OpenSeadragon stretches tiles by a pixel to hide the seams between them: here there are none
        tileOverlap: 1,
        minLevel: 0,
        maxLevel: scales.length - 1,
        getLevelScale: (level: number) => scales[level],
        getTileUrl: () => url,
        getTileHashKey: (level: number) => `${url} ${scales[level]}`,
        downloadTileStart: (job: TileJob) => void load(job, scales[job.tile.level] ?? 1, width),
        downloadTileAbort: ({ userData }: TileJob) => userData.abort?.(),
      },
      width: 1,
      opacity: 0,
      preload: true,
      success: (event) => {
        const item = (event as unknown as { item: OpenSeadragon.TiledImage }).item;
        if (this.layers.get(picture.id) !== layer) {
          this.viewer.world.removeItem(item);
          return;
        }
        layer.item = item;
        item.addHandler("fully-loaded-change", () => this.viewer.forceRedraw());
        this.applyOpacity();
      },
      error: () => this.events.onFailed(picture.id, false),
    });
  }

  /**
   * The sizes in which a picture is kept: what the screen can show of all of it, and every pixel for when it is magnified.
   * Five pictures of five megapixels ready in full made a page of 900 MB; so it is 400.
   */
  private scales({ width, height }: Picture): number[] {
    const { x, y } = this.viewer.viewport.getContainerSize().times(window.devicePixelRatio);
    const shown = Math.min(x / width, y / height) * ROOM;
    return shown < WORTH_REDUCING && shown > 0 ? [Math.ceil(shown * width) / width, 1] : [1];
  }

  private applyOpacity(): void {
    const visible = this.instead ?? this.current;
    for (const [id, { item }] of this.layers) {
      item?.setOpacity(id === visible ? 1 : 0);
    }
    this.viewer.forceRedraw();
  }

  private zoomBy(factor: number): void {
    this.fitted = false;
    this.viewer.viewport.zoomBy(factor);
    this.viewer.viewport.applyConstraints();
  }

  /** Never smaller than the whole image, or than its own pixels where these are fewer than the screen's. */
  private limitZoom(): void {
    const picture = this.picture;
    if (picture === undefined) {
      return;
    }
    // the type leaves these two out, the documentation of Viewport does not
    const viewport = this.viewer.viewport as OpenSeadragon.Viewport & { minZoomLevel: number; maxZoomLevel: number };
    const size = viewport.getContainerSize();
    const whole = Math.min(1, (size.y / size.x) * (picture.width / picture.height));
    viewport.minZoomLevel = Math.min(whole, picture.width / window.devicePixelRatio / size.x);
    viewport.maxZoomLevel = Math.max(whole, (LARGEST_SCALE * picture.width) / size.x);
  }

  private afterDraw(): void {
    const picture = this.picture;
    if (picture === undefined) {
      return;
    }
    const { viewport } = this.viewer;
    const scale = this.scale(picture);
    const { x, y } = viewport.pixelFromPoint(new OpenSeadragon.Point(0, 0), true);
    const ratio = scale * window.devicePixelRatio;
    // at 1:1 smoothing could only blur what is already exact
    const squares = ratio >= SQUARES_FROM || Math.abs(ratio - 1) < 1e-3;
    if (squares === this.smooth) {
      this.smooth = !squares;
      this.viewer.drawer.setImageSmoothingEnabled(!squares);
    }
    this.events.onPlace({ scale, x, y }, picture);
    if (this.drawn !== picture.id && this.isReady(picture)) {
      this.drawn = picture.id;
      this.events.onDrawn(picture.id);
    }
  }
}

/** Decode an image off the main thread, at a `scale` up to 1 of its `width`. */
async function load(job: TileJob, scale: number, width: number): Promise<void> {
  const given = new AbortController();
  job.userData.abort = () => given.abort();
  let image: Blob;
  try {
    const answer = await fetch(job.src, { signal: given.signal });
    if (!answer.ok) {
      const { status } = answer;
      job.fail(`${status >= SERVER_AT_FAULT || LATER.has(status) ? "" : UNFIT} ${job.src}: ${status}`, null);
      return;
    }
    image = await answer.blob();
  } catch (error) {
    // no connection, or given up
    job.fail(`${job.src}: ${error}`, null);
    return;
  }
  try {
    const size = scale < 1 ? { resizeWidth: Math.round(scale * width), resizeQuality: "high" as const } : {};
    const bitmap = await createImageBitmap(image, size);
    const canvas = document.createElement("canvas");
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    const context = canvas.getContext("2d");
    context?.drawImage(bitmap, 0, 0);
    // OpenSeadragon frees a canvas with its tile, a bitmap never
    bitmap.close();
    if (context === null) {
      job.fail(`${UNFIT} ${job.src}: no canvas of ${canvas.width} x ${canvas.height}`, null);
    } else {
      job.finish(context, null, "context2d");
    }
  } catch (error) {
    // a format that the browser cannot decode
    job.fail(`${UNFIT} ${job.src}: ${error}`, null);
  }
}
