import { type QueryClient, useMutation, useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";
import { api } from "../api/client";
import { expectDone } from "../api/problem";
import type { SessionInfo } from "../api/types";
import { useWho } from "./WhoProvider";
import { remember, whoQuery } from "./whoQuery";

/** Somebody else is there now: what the one before has read is forgotten. */
export function useBecome(): (who: SessionInfo) => void {
  const queries = useQueryClient();
  return useCallback((who: SessionInfo) => become(queries, who), [queries]);
}

/** Fails, and whoever was signed in stays so, where the server does not say that the session has ended. */
export function useSignOut() {
  const queries = useQueryClient();
  const who = useWho();
  return useMutation({
    mutationFn: async () => {
      const answer = await api.DELETE("/v1/session");
      // 401: it has ended already
      if (answer.response.status !== 401) {
        expectDone(answer);
      }
    },
    onSuccess: () =>
      become(queries, {
        ...who,
        name: null,
        role: null,
        permissions: [],
        must_change_password: false,
        csrf_token: null,
      }),
  });
}

function become(queries: QueryClient, who: SessionInfo): void {
  remember(who);
  queries.setQueryData(whoQuery.queryKey, who);
  forgetOthers(queries);
}

function forgetOthers(queries: QueryClient): void {
  queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== whoQuery.queryKey[0] });
}
