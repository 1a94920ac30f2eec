import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import type { QualityFigures, SpcKind } from "../api/types";
import { type Period, sinceOf } from "./period";

export type GroupBy = NonNullable<QualityFigures["by"]>;

const REFRESH_MS = 10_000;
const SLOW_REFRESH_MS = 30_000;

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

export function figuresQuery(period: Period, line: string | null, by: GroupBy | null) {
  return queryOptions({
    queryKey: ["figures", period.name, line, by],
    queryFn: async ({ signal }) => {
      const query = { since: sinceOf(period), line: line ?? undefined, by: by ?? undefined };
      return expectData(await api.GET("/v1/metrics/quality/figures", { params: { query }, signal }));
    },
    placeholderData: keepPreviousData,
    refetchInterval: SLOW_REFRESH_MS,
  });
}

export function escapesQuery(period: Period, line: string | null) {
  return queryOptions({
    queryKey: ["escapes", period.name, line],
    queryFn: async ({ signal }) => {
      const query = { since: sinceOf(period), line: line ?? undefined };
      return expectData(await api.GET("/v1/metrics/escapes", { params: { query }, signal }));
    },
    placeholderData: keepPreviousData,
    refetchInterval: SLOW_REFRESH_MS,
  });
}

export function spcQuery(chart: SpcKind, line: string | null) {
  return queryOptions({
    queryKey: ["spc", chart, line],
    queryFn: async ({ signal }) =>
      expectData(await api.GET("/v1/metrics/spc", { params: { query: { chart, line: line ?? undefined } }, signal })),
    placeholderData: keepPreviousData,
    refetchInterval: SLOW_REFRESH_MS,
  });
}

export function agreementQuery(period: Period, line: string | null, study: string | null) {
  return queryOptions({
    queryKey: ["agreement", period.name, line, study],
    queryFn: async ({ signal }) => {
      const query = { since: sinceOf(period), line: line ?? undefined, study: study ?? undefined };
      return expectData(await api.GET("/v1/metrics/agreement", { params: { query }, signal }));
    },
    refetchInterval: SLOW_REFRESH_MS,
  });
}

export function biasQuery(period: Period, line: string | null) {
  return queryOptions({
    queryKey: ["bias", period.name, line],
    queryFn: async ({ signal }) => {
      const query = { since: sinceOf(period), line: line ?? undefined };
      return expectData(await api.GET("/v1/metrics/bias", { params: { query }, signal }));
    },
    placeholderData: keepPreviousData,
    refetchInterval: SLOW_REFRESH_MS,
  });
}

export function comparisonQuery(study: string) {
  return queryOptions({
    queryKey: ["comparison", study],
    queryFn: async ({ signal }) =>
      expectData(await api.GET("/v1/studies/{id}/comparison", { params: { path: { id: study } }, signal })),
    refetchInterval: SLOW_REFRESH_MS,
  });
}
