import { queryOptions } from "@tanstack/react-query";
import { api } from "../api/client";
import { setCsrfToken } from "../api/csrf";
import { expectData } from "../api/problem";
import type { SessionInfo } from "../api/types";

const KEY = "inspector.who";
const ASK_AGAIN_MS = 5_000;

const ask = (signal: AbortSignal) => api.GET("/v1/session", { signal });

/**
 * Who it was the last time, for an app that opens while the server is away. It opens no door: the server asks for the
 * session with every request, and the first one that it refuses has this asked again.
 */
function lastKnown(): SessionInfo | null {
  const text = localStorage.getItem(KEY);
  return text === null ? null : JSON.parse(text);
}

/** Also for an app that opens while the server is away; the token is of this page alone. */
export function remember(who: SessionInfo): void {
  setCsrfToken(who.csrf_token);
  localStorage.setItem(KEY, JSON.stringify({ ...who, csrf_token: null }));
}

/** Who is signed in, and what that allows. */
export const whoQuery = queryOptions({
  queryKey: ["who"],
  queryFn: async ({ signal }): Promise<SessionInfo> => {
    let answer: Awaited<ReturnType<typeof ask>>;
    try {
      answer = await ask(signal);
    } catch (error) {
      const kept = error instanceof TypeError ? lastKnown() : null;
      if (kept === null) {
        throw error;
      }
      return kept;
    }
    const who = expectData(answer);
    remember(who);
    return who;
  },
  staleTime: Number.POSITIVE_INFINITY,
  // Until the server has said who it is: whoever is known from the last time has no token to change anything.
  refetchInterval: ({ state: { data, error } }) =>
    (data === undefined ? error !== null : data.name !== null && data.csrf_token === null) && ASK_AGAIN_MS,
});
