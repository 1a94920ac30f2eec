import { queryOptions, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { api } from "../api/client";
import { useEventStream, useStreamState } from "../api/EventStreamProvider";
import { expectData } from "../api/problem";
import type { LineHold } from "../api/types";

export const lineHoldsQuery = queryOptions({
  queryKey: ["line-holds"],
  queryFn: async ({ signal }) =>
    expectData(await api.GET("/v1/line-holds", { params: { query: { released: false } }, signal })),
});

/** The holds in force, kept up to date by events; read again after the stream was lost. */
export function useLineHolds(): readonly LineHold[] {
  const stream = useEventStream();
  const state = useStreamState();
  const queries = useQueryClient();
  const { data } = useQuery(lineHoldsQuery);
  useEffect(
    () => stream.on("line_hold", () => void queries.invalidateQueries({ queryKey: lineHoldsQuery.queryKey })),
    [stream, queries],
  );
  useEffect(() => {
    if (state === "connected") {
      void queries.invalidateQueries({ queryKey: lineHoldsQuery.queryKey });
    }
  }, [state, queries]);
  return data ?? [];
}
