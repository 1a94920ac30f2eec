import type { Decided, HistoryFilters, Verdict } from "../api/types";
import { type PeriodName, periods, sinceOf } from "../quality/period";

export const VERDICTS = ["PASS", "REVIEW", "REJECT", "NO_DECISION"] as const satisfies readonly Verdict[];
export const DECISIONS = [
  "NONE",
  "DEFECT_CONFIRMED",
  "FALSE_CALL",
  "DEFECT_ACCEPTED",
  "UNSURE",
] as const satisfies readonly Decided[];
export const TEXTS = ["part_id", "lot", "line", "class", "reviewer"] as const;

/** What is looked for, as it stands in the address, so that a search can be gone back to and passed on. */
export type Search = Partial<Record<(typeof TEXTS)[number], string>> & {
  verdict?: Verdict;
  decision?: Decided;
  period?: PeriodName;
  /** Only what was received before, as RFC 3339. */
  until?: string;
};

export function readSearch(address: URLSearchParams): Search {
  const search: Search = {};
  for (const name of TEXTS) {
    const value = address.get(name);
    if (value) {
      search[name] = value;
    }
  }
  const verdict = VERDICTS.find((each) => each === address.get("verdict"));
  const decision = DECISIONS.find((each) => each === address.get("decision"));
  const period = periods.find(({ name }) => name === address.get("period"))?.name;
  const until = address.get("until");
  if (until && !Number.isNaN(Date.parse(until))) {
    search.until = until;
  }
  return { ...search, ...(verdict && { verdict }), ...(decision && { decision }), ...(period && { period }) };
}

export function asFilters({ verdict, decision, period, ...texts }: Search): HistoryFilters {
  const span = periods.find(({ name }) => name === period);
  return {
    ...texts,
    ...(verdict && { verdict: [verdict] }),
    ...(decision && { decision: [decision] }),
    ...(span && { since: sinceOf(span) }),
  };
}

/** The address of the same rows as a table. */
export function exportUrl(search: Search, kind: "csv" | "xlsx"): string {
  const address = new URLSearchParams();
  for (const [name, value] of Object.entries(asFilters(search))) {
    for (const each of Array.isArray(value) ? value : [value]) {
      address.append(name, String(each));
    }
  }
  return `/v1/history/export.${kind}?${address}`;
}
