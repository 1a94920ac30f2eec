import { imageUrl } from "../api/imageUrl";
import type { Inspection } from "../api/types";
import type { Size } from "./boxes";
import type { Picture } from "./stage";

/** The image of an inspection, or null where there is none that a browser could show. */
export function pictureOf({ id, image }: Pick<Inspection, "id" | "image">): Picture | null {
  return image.width === null || image.height === null || !image.kept || image.removed_at
    ? null
    : { id, url: imageUrl(id), width: image.width, height: image.height };
}

/** How many pixels the image has; none where it could not be decoded. */
export function sizeOf({ image }: Pick<Inspection, "image">): Size {
  return { width: image.width ?? 0, height: image.height ?? 0 };
}
