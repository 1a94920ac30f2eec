import { queryOptions } from "@tanstack/react-query";
import { api } from "../api/client";
import { expectData } from "../api/problem";

export const thresholdsQuery = queryOptions({
  queryKey: ["thresholds"],
  queryFn: async ({ signal }) => expectData(await api.GET("/v1/thresholds", { signal })),
});

export const retentionQuery = queryOptions({
  queryKey: ["retention"],
  queryFn: async ({ signal }) => expectData(await api.GET("/v1/retention", { signal })),
});

export function holdsQuery(lifted: boolean) {
  return queryOptions({
    queryKey: ["holds", lifted],
    queryFn: async ({ signal }) => expectData(await api.GET("/v1/holds", { params: { query: { lifted } }, signal })),
  });
}
