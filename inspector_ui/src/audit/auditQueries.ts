import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import type { AuditAction } from "../api/types";
import { type Period, sinceOf } from "../quality/period";

const PAGE_SIZE = 50;
const REFRESH_MS = 30_000;
const CHECKING_MS = 1_000;

export interface AuditFilters {
  action: AuditAction | null;
  person: string;
  subject: string;
  period: Period | null;
}

export function auditQuery(filters: AuditFilters, cursor: string | null) {
  return queryOptions({
    queryKey: ["audit", filters, cursor],
    queryFn: async ({ signal }) => {
      const query = {
        action: filters.action === null ? undefined : [filters.action],
        person: filters.person || undefined,
        subject: filters.subject || undefined,
        since: filters.period === null ? undefined : sinceOf(filters.period),
        cursor: cursor ?? undefined,
        limit: PAGE_SIZE,
      };
      return expectData(await api.GET("/v1/audit", { params: { query }, signal }));
    },
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MS,
  });
}

/** What the last verification found; asked often only while one is under way. */
export const auditCheckQuery = queryOptions({
  queryKey: ["auditCheck"],
  queryFn: async ({ signal }) => expectData(await api.GET("/v1/audit/check", { signal })),
  refetchInterval: ({ state }) => (state.data?.running ? CHECKING_MS : REFRESH_MS),
});

export async function startAuditCheck() {
  return expectData(await api.POST("/v1/audit/check"));
}
