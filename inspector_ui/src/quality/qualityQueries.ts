import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import { type Period, sinceOf } from "./period";

const REFRESH_MS = 10_000;

export function qualityQuery(period: Period, line: string | null) {
  return queryOptions({
    queryKey: ["quality", period.name, line],
    queryFn: async ({ signal }) => {
      const query = { since: sinceOf(period), line: line ?? undefined };
      return expectData(await api.GET("/v1/metrics/quality", { params: { query }, signal }));
    },
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MS,
  });
}

export function throughputQuery(period: Period) {
  return queryOptions({
    queryKey: ["throughput", period.name],
    queryFn: async ({ signal }) =>
      expectData(await api.GET("/v1/metrics/throughput", { params: { query: { since: sinceOf(period) } }, signal })),
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MS,
  });
}
