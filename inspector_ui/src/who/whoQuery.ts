import { queryOptions } from "@tanstack/react-query";
import { api } from "../api/client";
import { setCsrfToken } from "../api/csrf";
import { expectData } from "../api/problem";
import type { SessionInfo } from "../api/types";

/** Who is signed in, and what that allows. */
export const whoQuery = queryOptions({
  queryKey: ["who"],
  queryFn: async ({ signal }): Promise<SessionInfo> => {
    const who = expectData(await api.GET("/v1/session", { signal }));
    setCsrfToken(who.csrf_token);
    return who;
  },
  staleTime: Number.POSITIVE_INFINITY,
});
