import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import { asFilters, type Search } from "./filters";

const PAGE_SIZE = 200;

/** Inspections in few words, newest first, a page at a time. */
export function historyQuery(search: Search) {
  return infiniteQueryOptions({
    queryKey: ["history", search],
    initialPageParam: null as string | null,
    queryFn: async ({ pageParam, signal }) =>
      expectData(
        await api.GET("/v1/history", {
          params: { query: { ...asFilters(search), limit: PAGE_SIZE, cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    getNextPageParam: (page) => page.next_cursor,
    staleTime: 60_000,
  });
}

export function inspectionQuery(id: string) {
  return queryOptions({
    queryKey: ["inspection", id],
    queryFn: async ({ signal }) =>
      expectData(await api.GET("/v1/inspections/{id}", { params: { path: { id } }, signal })),
  });
}

export function partQuery(partId: string) {
  return queryOptions({
    queryKey: ["part", partId],
    queryFn: async ({ signal }) =>
      expectData(await api.GET("/v1/parts/{part_id}", { params: { path: { part_id: partId } }, signal })),
  });
}

export function reviewsQuery(id: string) {
  return queryOptions({
    queryKey: ["reviews", id],
    queryFn: async ({ signal }) =>
      expectData(await api.GET("/v1/inspections/{id}/reviews", { params: { path: { id } }, signal })),
  });
}

/** The audit entry of a review: where in the chain it is, and its hash. */
export function reviewEntryQuery(clientId: string) {
  return queryOptions({
    queryKey: ["audit", "review", clientId],
    queryFn: async ({ signal }) =>
      expectData(await api.GET("/v1/audit", { params: { query: { subject: clientId, limit: 1 } }, signal })),
    staleTime: Number.POSITIVE_INFINITY,
  });
}
