/** Where an image lies on the screen: `scale` screen pixels per image pixel, `x`, `y` its upper left corner. */
export interface View {
  scale: number;
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

const LARGEST_SCALE = 32;

/** The whole image, centred. */
export function fitted(image: Size, screen: Size): View {
  const scale = Math.min(screen.width / image.width, screen.height / image.height);
  return {
    scale,
    x: (screen.width - image.width * scale) / 2,
    y: (screen.height - image.height * scale) / 2,
  };
}

/** `factor` times as large, with the screen point (x, y) staying on the same image point; never smaller than fitted. */
export function zoomed(view: View, factor: number, x: number, y: number, image: Size, screen: Size): View {
  const whole = fitted(image, screen);
  const scale = Math.min(Math.max(view.scale * factor, whole.scale), Math.max(LARGEST_SCALE, whole.scale));
  if (scale === whole.scale) {
    return whole;
  }
  const by = scale / view.scale;
  return inside({ scale, x: x - (x - view.x) * by, y: y - (y - view.y) * by }, image, screen);
}

/** Moved by (dx, dy) screen pixels, as far as some of the image stays in the middle. */
export function moved(view: View, dx: number, dy: number, image: Size, screen: Size): View {
  return inside({ ...view, x: view.x + dx, y: view.y + dy }, image, screen);
}

function inside(view: View, image: Size, screen: Size): View {
  return {
    scale: view.scale,
    x: clamp(view.x, screen.width / 2 - image.width * view.scale, screen.width / 2),
    y: clamp(view.y, screen.height / 2 - image.height * view.scale, screen.height / 2),
  };
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
