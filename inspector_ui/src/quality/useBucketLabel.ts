import { useFormat } from "../i18n/format";

const DAY_S = 86_400;

/** How a stretch of time is named under a chart: its hour, or its day when it is that long. */
export function useBucketLabel(bucketSeconds: number): (start: string) => string {
  const format = useFormat();
  return bucketSeconds >= DAY_S / 4 ? format.date : format.clock;
}
