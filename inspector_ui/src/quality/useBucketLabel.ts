import { useFormat } from "../i18n/format";

const HOUR_S = 3_600;

/** How a stretch of time is named under a chart: by its beginning, whose day is told when it is long. */
export function useBucketLabel(bucketSeconds: number): (start: string) => string {
  const format = useFormat();
  return bucketSeconds > HOUR_S ? format.dayHour : format.clock;
}
