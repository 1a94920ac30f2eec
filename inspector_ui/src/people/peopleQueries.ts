import { queryOptions } from "@tanstack/react-query";
import { api } from "../api/client";
import { expectData } from "../api/problem";

export const peopleQuery = queryOptions({
  queryKey: ["people"],
  queryFn: async ({ signal }) => expectData(await api.GET("/v1/people", { signal })),
});

export const keysQuery = queryOptions({
  queryKey: ["keys"],
  queryFn: async ({ signal }) => expectData(await api.GET("/v1/keys", { signal })),
  // "last used" goes on by itself
  refetchInterval: 30_000,
});
