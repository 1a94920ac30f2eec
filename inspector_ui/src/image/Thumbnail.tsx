import { useState } from "react";
import { thumbnailUrl } from "../api/imageUrl";
import type { Inspection } from "../api/types";
import { Icon } from "../icons/Icon";

interface Props {
  inspection: Pick<Inspection, "id">;
  alt: string;
  className?: string;
}

/** A small copy of the camera image; a mark where the image cannot be shown. */
export function Thumbnail({ inspection, alt, className }: Props) {
  const [failed, setFailed] = useState(false);
  if (failed) {
    return (
      <span
        className={className}
        role="img"
        aria-label={alt}
        style={{ display: "grid", placeItems: "center", color: "#8b97a3" }}
      >
        <Icon name="imageOff" size={24} />
      </span>
    );
  }
  return (
    <img
      className={className}
      src={thumbnailUrl(inspection.id)}
      alt={alt}
      draggable={false}
      onError={() => setFailed(true)}
    />
  );
}
