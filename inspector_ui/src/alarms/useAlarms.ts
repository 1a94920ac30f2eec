import { queryOptions, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { api } from "../api/client";
import { useEventStream, useStreamState } from "../api/EventStreamProvider";
import { expectData } from "../api/problem";
import type { Alarm } from "../api/types";

export const alarmsQuery = queryOptions({
  queryKey: ["alarms"],
  queryFn: async ({ signal }) =>
    expectData(await api.GET("/v1/alarms", { params: { query: { cleared: false } }, signal })),
});

/** The alarms that stand, kept up to date by events; read again after the stream was lost. */
export function useAlarms(): readonly Alarm[] {
  const stream = useEventStream();
  const state = useStreamState();
  const queries = useQueryClient();
  const { data } = useQuery(alarmsQuery);
  useEffect(
    () => stream.on("alarm", () => void queries.invalidateQueries({ queryKey: alarmsQuery.queryKey })),
    [stream, queries],
  );
  useEffect(() => {
    if (state === "connected") {
      void queries.invalidateQueries({ queryKey: alarmsQuery.queryKey });
    }
  }, [state, queries]);
  return data ?? [];
}
