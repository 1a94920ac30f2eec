export function imageUrl(inspectionId: string): string {
  return `/v1/inspections/${encodeURIComponent(inspectionId)}/image`;
}

export function heatmapUrl(inspectionId: string): string {
  return `/v1/inspections/${encodeURIComponent(inspectionId)}/heatmap`;
}
