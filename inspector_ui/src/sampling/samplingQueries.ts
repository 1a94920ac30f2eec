import { queryOptions } from "@tanstack/react-query";
import { api } from "../api/client";
import { expectData } from "../api/problem";

const REFRESH_MS = 30_000;

export const planQuery = queryOptions({
  queryKey: ["sampling"],
  queryFn: async ({ signal }) => expectData(await api.GET("/v1/sampling", { signal })),
  refetchInterval: REFRESH_MS,
});

export const challengesQuery = queryOptions({
  queryKey: ["challenges"],
  queryFn: async ({ signal }) => expectData(await api.GET("/v1/challenges", { signal })),
});

export const returnsQuery = queryOptions({
  queryKey: ["returns"],
  queryFn: async ({ signal }) => expectData(await api.GET("/v1/returns", { signal })),
});
