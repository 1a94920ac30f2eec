import { useElementSize, useMergedRef } from "@mantine/hooks";
import { type PointerEvent, useEffect, useRef, useState } from "react";
import { fitted, moved, type Size, type View, zoomed } from "./view";

const STEP = 1.5;

/** Zoom and pan of one image: wheel, pinch, drag and buttons. */
export function useView(image: Size | null) {
  const { ref: sizeRef, width, height } = useElementSize<HTMLDivElement>();
  const screen: Size = { width, height };
  const element = useRef<HTMLDivElement | null>(null);
  const ref = useMergedRef(element, sizeRef);
  const [chosen, setChosen] = useState<View | null>(null);
  const pointers = useRef(new Map<number, { x: number; y: number }>());
  const ready = image !== null && width > 0 && height > 0;
  const view = ready ? (chosen ?? fitted(image, screen)) : null;

  const zoom = (factor: number, x = width / 2, y = height / 2) => {
    if (view !== null && image !== null) {
      setChosen(zoomed(view, factor, x, y, image, screen));
    }
  };
  const latestZoom = useRef(zoom);
  useEffect(() => {
    latestZoom.current = zoom;
  });

  useEffect(() => {
    // React's own wheel listeners are passive and cannot keep the page from scrolling
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      const box = element.current?.getBoundingClientRect();
      if (box) {
        latestZoom.current(1.0015 ** -event.deltaY, event.clientX - box.left, event.clientY - box.top);
      }
    };
    const target = element.current;
    target?.addEventListener("wheel", onWheel, { passive: false });
    return () => target?.removeEventListener("wheel", onWheel);
  }, []);

  const onPointerDown = (event: PointerEvent<HTMLDivElement>) => {
    event.currentTarget.setPointerCapture(event.pointerId);
    pointers.current.set(event.pointerId, { x: event.clientX, y: event.clientY });
  };
  const onPointerMove = (event: PointerEvent<HTMLDivElement>) => {
    const before = pointers.current.get(event.pointerId);
    if (before === undefined || view === null || image === null) {
      return;
    }
    const now = { x: event.clientX, y: event.clientY };
    const other = [...pointers.current].find(([id]) => id !== event.pointerId)?.[1];
    pointers.current.set(event.pointerId, now);
    if (other === undefined) {
      setChosen(moved(view, now.x - before.x, now.y - before.y, image, screen));
      return;
    }
    const box = event.currentTarget.getBoundingClientRect();
    const apart = (point: typeof now) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
    zoom(apart(now) / apart(before), (now.x + other.x) / 2 - box.left, (now.y + other.y) / 2 - box.top);
  };
  const onPointerUp = (event: PointerEvent<HTMLDivElement>) => {
    pointers.current.delete(event.pointerId);
  };

  return {
    view,
    ref,
    handlers: {
      onPointerDown,
      onPointerMove,
      onPointerUp,
      onPointerCancel: onPointerUp,
      onDoubleClick: () => setChosen(null),
    },
    zoomIn: () => zoom(STEP),
    zoomOut: () => zoom(1 / STEP),
    fit: () => setChosen(null),
  };
}
