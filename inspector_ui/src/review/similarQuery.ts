import { queryOptions } from "@tanstack/react-query";
import { api } from "../api/client";
import { expectData } from "../api/problem";

/** Past cases that look alike, and a good part to compare with. */
export function similarQuery(id: string) {
  return queryOptions({
    queryKey: ["similar", id],
    queryFn: async ({ signal }) =>
      expectData(await api.GET("/v1/inspections/{id}/similar", { params: { path: { id } }, signal })),
    staleTime: 60_000,
    gcTime: 120_000,
  });
}

/** The part's other frames, its lot so far, and its line in the hour before. */
export function pastQuery(id: string) {
  return queryOptions({
    queryKey: ["past", id],
    queryFn: async ({ signal }) =>
      expectData(await api.GET("/v1/inspections/{id}/past", { params: { path: { id } }, signal })),
    staleTime: 60_000,
    gcTime: 120_000,
  });
}
