import { queryOptions } from "@tanstack/react-query";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import { serverNow } from "../api/serverClock";

const DAY_MS = 86_400_000;

/** The newest frames of each line that has made parts in the last day, newest first. */
export const liveQuery = queryOptions({
  queryKey: ["live"],
  queryFn: async ({ signal }) => {
    const since = new Date(serverNow() - DAY_MS).toISOString();
    const { lines } = expectData(await api.GET("/v1/metrics/throughput", { params: { query: { since } }, signal }));
    return Promise.all(
      lines.map(async ({ line }) => {
        const page = expectData(await api.GET("/v1/inspections", { params: { query: { line, limit: 60 } }, signal }));
        return { line, inspections: page.items };
      }),
    );
  },
  staleTime: 0,
});

/** The newest frame there is; null where there never was one. */
export const newestQuery = queryOptions({
  queryKey: ["live", "newest"],
  queryFn: async ({ signal }) => {
    const page = expectData(await api.GET("/v1/inspections", { params: { query: { limit: 1 } }, signal }));
    return page.items[0] ?? null;
  },
  staleTime: 0,
});
