import { queryOptions } from "@tanstack/react-query";
import { api } from "../api/client";
import { expectData } from "../api/problem";

const REFRESH_MS = 5_000;

export const shadowQuery = queryOptions({
  queryKey: ["models", "shadow"],
  queryFn: async ({ signal }) => expectData(await api.GET("/v1/models/shadow", { signal })),
  refetchInterval: REFRESH_MS,
});
