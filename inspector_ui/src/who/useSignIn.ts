import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";
import { api } from "../api/client";
import { setCsrfToken } from "../api/csrf";
import type { SessionInfo } from "../api/types";
import { remember, whoQuery } from "./whoQuery";

/** Somebody else is there now: what the one before has read is forgotten. */
export function useBecome(): (who: SessionInfo) => void {
  const queries = useQueryClient();
  return useCallback((who: SessionInfo) => become(queries, who), [queries]);
}

export function useSignOut(): () => Promise<void> {
  const queries = useQueryClient();
  return useCallback(async () => {
    await api.DELETE("/v1/session");
    setCsrfToken(null);
    await queries.fetchQuery({ ...whoQuery, staleTime: 0 });
    forgetOthers(queries);
  }, [queries]);
}

function become(queries: QueryClient, who: SessionInfo): void {
  remember(who);
  queries.setQueryData(whoQuery.queryKey, who);
  forgetOthers(queries);
}

function forgetOthers(queries: QueryClient): void {
  queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== whoQuery.queryKey[0] });
}
