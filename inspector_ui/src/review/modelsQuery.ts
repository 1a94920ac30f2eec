import { queryOptions } from "@tanstack/react-query";
import { api } from "../api/client";
import { expectData } from "../api/problem";

/** The bundles on the server, for the defect classes that each knows. */
export const modelsQuery = queryOptions({
  queryKey: ["models"],
  queryFn: async ({ signal }) => expectData(await api.GET("/v1/models", { signal })),
  staleTime: 60_000,
});
