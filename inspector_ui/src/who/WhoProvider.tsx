import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect } from "react";
import { onRefusal } from "../api/refusal";
import type { Permission, SessionInfo } from "../api/types";
import { QueryView } from "../shell/QueryView";
import { whoQuery } from "./whoQuery";

const WhoContext = createContext<SessionInfo | null>(null);

/** Finds out who is signed in, and asks again whenever the server refuses something. */
export function WhoProvider({ children }: { children: ReactNode }) {
  const queries = useQueryClient();
  const query = useQuery(whoQuery);
  useEffect(() => onRefusal(() => void queries.invalidateQueries({ queryKey: whoQuery.queryKey })), [queries]);
  // what is known stays shown while the server is away
  return query.data === undefined ? (
    <QueryView query={query}>{() => null}</QueryView>
  ) : (
    <WhoContext value={query.data}>{children}</WhoContext>
  );
}

export function useWho(): SessionInfo {
  const who = useContext(WhoContext);
  if (who === null) {
    throw new Error("useWho needs a WhoProvider above it");
  }
  return who;
}

/** The plant's time zone, by which its days begin and in which times are told. */
export function useZone(): string {
  return useWho().time_zone;
}

export function useMay(permission: Permission): boolean {
  return useWho().permissions.includes(permission);
}
