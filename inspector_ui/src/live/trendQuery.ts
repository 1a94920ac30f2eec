import { queryOptions } from "@tanstack/react-query";
import { api } from "../api/client";
import { expectData } from "../api/problem";

const LOOK_EVERY_MS = 20_000;

/** How each line ran in the last hour. */
export const trendQuery = queryOptions({
  queryKey: ["trend"],
  queryFn: async ({ signal }) => expectData(await api.GET("/v1/metrics/trend", { signal })),
  refetchInterval: LOOK_EVERY_MS,
});
