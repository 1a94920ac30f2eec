import { useSessionStorage } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { type RefObject, useEffect, useMemo } from "react";
import type { QueueFilters, QueueItem } from "../api/types";
import { useOutboxEntries } from "../outbox/OutboxProvider";
import { useReviewer } from "../reviewer/reviewer";
import { claimQuery, keepHand, release } from "./queueQuery";
import { decidedIds, useSession } from "./SessionProvider";

const NO_FILTERS: QueueFilters = {};

export function useQueueFilters() {
  return useSessionStorage<QueueFilters>({
    key: "inspector.queue-filters",
    defaultValue: NO_FILTERS,
    getInitialValueInEffect: false,
  });
}

export interface OnScreen {
  id: string;
  /** As JSON: a part that was there before other filters were set is not kept. */
  filters: string;
}

/** The parts that are this person's to decide, without those decided on this machine that the server does not know yet. */
export function useHand(onScreen: RefObject<OnScreen | null>) {
  const [reviewer] = useReviewer();
  const [filters] = useQueueFilters();
  const key = JSON.stringify(filters);
  const kept = () => (onScreen.current?.filters === key ? onScreen.current.id : null);
  const query = useQuery({ ...claimQuery(reviewer, filters, kept), enabled: reviewer !== "" });
  const entries = useOutboxEntries();
  const [session] = useSession();
  const done = useMemo(() => decidedIds(session, entries), [session, entries]);
  const items = useMemo<QueueItem[]>(
    () => query.data?.items.filter(({ id }) => !done.has(id)) ?? [],
    [query.data, done],
  );
  const hidden = (query.data?.items.length ?? 0) - items.length;

  const { data } = query;
  useEffect(() => {
    if (data !== undefined) {
      keepHand(reviewer, filters, { ...data, items });
    }
  }, [reviewer, filters, data, items]);

  useEffect(() => {
    if (reviewer === "") {
      return;
    }
    return () => void release(reviewer);
  }, [reviewer]);

  return {
    query,
    items,
    done,
    filters: key,
    waiting: Math.max(items.length, (query.data?.waiting ?? 0) - hidden),
    withOthers: query.data?.with_others ?? 0,
    refused: query.data?.refused ?? [],
  };
}
