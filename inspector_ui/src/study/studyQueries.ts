import { queryOptions } from "@tanstack/react-query";
import { api } from "../api/client";
import { expectData } from "../api/problem";

export const studiesQuery = queryOptions({
  queryKey: ["studies"],
  queryFn: async ({ signal }) => expectData(await api.GET("/v1/studies", { signal })),
});

export function taskQuery(id: string, person: string) {
  return queryOptions({
    queryKey: ["study", id, person],
    queryFn: async ({ signal }) =>
      expectData(await api.GET("/v1/studies/{id}/task", { params: { path: { id }, query: { person } }, signal })),
    staleTime: Number.POSITIVE_INFINITY,
  });
}
