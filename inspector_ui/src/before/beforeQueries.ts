import { queryOptions } from "@tanstack/react-query";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import type { Attribution } from "../api/types";

export const baselinesQuery = queryOptions({
  queryKey: ["baselines"],
  queryFn: async ({ signal }) => expectData(await api.GET("/v1/baselines", { signal })),
});

export const shadowRunsQuery = queryOptions({
  queryKey: ["models", "shadow", "runs"],
  queryFn: async ({ signal }) => expectData(await api.GET("/v1/models/shadow/runs", { signal })),
});

export const rolloutsQuery = queryOptions({
  queryKey: ["rollouts"],
  queryFn: async ({ signal }) => expectData(await api.GET("/v1/rollouts", { signal })),
});

export function attributionQuery(outcome: Attribution["outcome"]) {
  return queryOptions({
    queryKey: ["attribution", outcome],
    queryFn: async ({ signal }) =>
      expectData(await api.GET("/v1/attribution", { params: { query: { outcome } }, signal })),
  });
}

export interface Later {
  id: string;
  first_day: string;
  last_day: string;
  after: "measured" | "history";
}

export function comparisonQuery({ id, ...query }: Later) {
  return queryOptions({
    queryKey: ["comparison", id, query],
    queryFn: async ({ signal }) =>
      expectData(await api.GET("/v1/baselines/{id}/comparison", { params: { path: { id }, query }, signal })),
    enabled: id !== "" && query.first_day !== "" && query.last_day !== "",
    retry: false,
  });
}
