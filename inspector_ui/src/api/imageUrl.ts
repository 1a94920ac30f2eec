export function imageUrl(inspectionId: string): string {
  return `/v1/inspections/${encodeURIComponent(inspectionId)}/image`;
}

/** A small copy of the frame, 256 pixels at most. */
export function thumbnailUrl(inspectionId: string): string {
  return `/v1/inspections/${encodeURIComponent(inspectionId)}/thumbnail`;
}

export function heatmapUrl(inspectionId: string): string {
  return `/v1/inspections/${encodeURIComponent(inspectionId)}/heatmap`;
}
