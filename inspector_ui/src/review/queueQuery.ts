import { queryOptions } from "@tanstack/react-query";
import { api } from "../api/client";
import { expectData } from "../api/problem";

/** The parts to look at next, most expensive first; without those that this person called unsure. */
export function queueQuery(reviewer: string) {
  return queryOptions({
    queryKey: ["queue", reviewer],
    queryFn: async ({ signal }) =>
      expectData(
        await api.GET("/v1/reviews/queue", {
          params: { query: { reviewer: reviewer === "" ? undefined : reviewer, limit: 30 } },
          signal,
        }),
      ),
    // events refresh it; this is for the time when the stream is down
    refetchInterval: 10_000,
  });
}
