import { queryOptions } from "@tanstack/react-query";
import { api } from "../api/client";
import { expectData } from "../api/problem";

const REFRESH_MS = 10_000;

export const driftQuery = queryOptions({
  queryKey: ["drift"],
  queryFn: async ({ signal }) => expectData(await api.GET("/v1/drift", { signal })),
  refetchInterval: REFRESH_MS,
});
