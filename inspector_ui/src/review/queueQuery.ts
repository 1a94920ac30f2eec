import { queryOptions } from "@tanstack/react-query";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import { serverNow } from "../api/serverClock";
import type { ClaimedQueue, QueueFilters } from "../api/types";

/** Enough to go on for a while when the connection is lost. */
export const IN_HAND = 30;

/** How many parts wait, without those that this person called unsure. */
export function waitingQuery(reviewer: string) {
  return queryOptions({
    queryKey: ["queue", "waiting", reviewer],
    queryFn: async ({ signal }) =>
      expectData(
        await api.GET("/v1/reviews/queue", {
          params: { query: { reviewer: reviewer === "" ? undefined : reviewer, limit: 1 } },
          signal,
        }),
      ),
    // events refresh it; this is for the time when the stream is down
    refetchInterval: 10_000,
  });
}

/** The next parts, for this person alone: asking claims them, and asking again renews the claim. */
export function claimQuery(reviewer: string, filters: QueueFilters, onScreen: () => string | null) {
  return queryOptions({
    queryKey: ["queue", "mine", reviewer, filters],
    queryFn: async ({ signal }) => {
      const kept = onScreen();
      return expectData(
        await api.POST("/v1/reviews/claims", {
          body: { ...filters, reviewer, limit: IN_HAND, keep: kept === null ? [] : [kept] },
          signal,
        }),
      );
    },
    // also what keeps the claims alive
    refetchInterval: 10_000,
    // after a reload without the server, the parts in hand are still there
    initialData: () => keptHand(reviewer, filters),
    initialDataUpdatedAt: 0,
  });
}

/** Let others have the parts that this person has not decided. */
export async function release(reviewer: string): Promise<void> {
  localStorage.removeItem(handKey(reviewer));
  // when this fails, the claims end by themselves a little later
  await api.DELETE("/v1/reviews/claims", { params: { query: { reviewer } }, keepalive: true }).catch(() => undefined);
}

interface Kept {
  filters: string;
  hand: ClaimedQueue;
}

function handKey(reviewer: string): string {
  return `inspector.hand.${reviewer}`;
}

/** Remember what is still to be decided, for a page that is opened while the server is away. */
export function keepHand(reviewer: string, filters: QueueFilters, hand: ClaimedQueue): void {
  const kept: Kept = { filters: JSON.stringify(filters), hand };
  localStorage.setItem(handKey(reviewer), JSON.stringify(kept));
}

function keptHand(reviewer: string, filters: QueueFilters): ClaimedQueue | undefined {
  const text = localStorage.getItem(handKey(reviewer));
  if (text === null) {
    return undefined;
  }
  const kept: Kept = JSON.parse(text);
  const mine = kept.filters === JSON.stringify(filters) && Date.parse(kept.hand.until) > serverNow();
  return mine ? kept.hand : undefined;
}
