import { queryOptions } from "@tanstack/react-query";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import type { HistoryMark } from "../api/types";
import { asFilters, type Search } from "./filters";

/** Pages that are not on the screen are forgotten after this, so that a long way through the history needs no more memory. */
const KEPT_MS = 20_000;

/** How much there is, newest first, and where each page of it begins. It stands still while somebody looks further down. */
export function outlineQuery(search: Search) {
  return queryOptions({
    queryKey: ["history", search],
    queryFn: async ({ signal }) =>
      expectData(await api.GET("/v1/history/outline", { params: { query: asFilters(search) }, signal })),
    staleTime: 60_000,
    refetchOnWindowFocus: () => window.scrollY === 0,
  });
}

/** One page of an outline: its inspections in few words. */
export function pageQuery(search: Search, { cursor, items }: HistoryMark) {
  return queryOptions({
    queryKey: ["history", search, cursor],
    queryFn: async ({ signal }) => {
      // Where a period ends moves on with the clock; the outline has said what is in it.
      const query = { ...asFilters(search), since: undefined, until: undefined, cursor, limit: items };
      return expectData(await api.GET("/v1/history", { params: { query }, signal })).items;
    },
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: KEPT_MS,
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
