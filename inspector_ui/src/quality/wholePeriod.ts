import type { QualityMetrics } from "../api/types";

type Bucket = QualityMetrics["series"][number];

/** The series over the whole period: stretches before the first part and after the last are empty, not left out. */
export function wholePeriod({ series, since, until, bucket_seconds: seconds }: QualityMetrics): Bucket[] {
  const length = seconds * 1000;
  const known = new Map(series.map((bucket) => [Date.parse(bucket.start), bucket]));
  const buckets: Bucket[] = [];
  for (let start = Math.floor(Date.parse(since) / length) * length; start < Date.parse(until); start += length) {
    buckets.push(known.get(start) ?? emptyBucket(new Date(start).toISOString()));
  }
  return buckets;
}

function emptyBucket(start: string): Bucket {
  return {
    start,
    inspected: 0,
    passed: 0,
    review: 0,
    rejected: 0,
    no_decision: 0,
    defects_confirmed: 0,
    false_calls: 0,
  };
}
