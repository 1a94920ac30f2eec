import { useSessionStorage } from "@mantine/hooks";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import {
  createContext,
  type Dispatch,
  type ReactNode,
  type SetStateAction,
  useContext,
  useEffect,
  useMemo,
} from "react";
import { useEventStream } from "../api/EventStreamProvider";
import type { OutboxEntry } from "../outbox/entry";
import { useOutboxEntries } from "../outbox/OutboxProvider";
import { useReviewer } from "../reviewer/reviewer";
import { useMay, useWho } from "../who/WhoProvider";
import { waitingQuery } from "./queueQuery";
import { emptySession, type Session } from "./session";

type SessionState = [Session, Dispatch<SetStateAction<Session>>];

const SessionContext = createContext<SessionState | null>(null);

const REFRESH_AT_MOST_EVERY_MS = 700;

/** Keeps the session over page changes and reloads, and the queue fresh while events come in. */
export function SessionProvider({ children }: { children: ReactNode }) {
  // of each person by name: nobody may undo what another decided
  const { name } = useWho();
  const [session, setSession] = useSessionStorage<Session>({
    key: name === null ? "inspector.session" : `inspector.session.${name}`,
    defaultValue: emptySession,
    getInitialValueInEffect: false,
  });
  useQueueRefresh();
  const value = useMemo<SessionState>(() => [session, setSession], [session, setSession]);
  return <SessionContext value={value}>{children}</SessionContext>;
}

export function useSession(): SessionState {
  const state = useContext(SessionContext);
  if (state === null) {
    throw new Error("useSession needs a SessionProvider above it");
  }
  return state;
}

/** How many parts wait, without those decided on this machine that the server does not have yet. */
export function useWaiting(): number {
  const [reviewer] = useReviewer();
  const mayReview = useMay("review");
  const query = useQuery({ ...waitingQuery(reviewer), enabled: mayReview });
  const unsent = useOutboxEntries().filter(({ request }) => request.decision !== null).length;
  return Math.max(0, (query.data?.waiting ?? 0) - unsent);
}

/** Ids of the inspections that were decided on this machine and may not have reached the server yet. */
export function decidedIds(session: Session, entries: readonly OutboxEntry[]): ReadonlySet<string> {
  const done = new Set(session.decided.map(({ inspection }) => inspection.id));
  // a refused decision too: its part comes back when the person gives the decision up, not under the next key press
  for (const { request } of entries) {
    if (request.decision === null) {
      done.delete(request.inspection_id);
    } else {
      done.add(request.inspection_id);
    }
  }
  return done;
}

function useQueueRefresh(): void {
  const stream = useEventStream();
  const queries = useQueryClient();
  useEffect(() => {
    let timer: number | undefined;
    const refresh = () => {
      timer ??= window.setTimeout(() => {
        timer = undefined;
        void queries.invalidateQueries({ queryKey: ["queue"] });
      }, REFRESH_AT_MOST_EVERY_MS);
    };
    const stop = [
      stream.on("inspection", (inspection) => inspection.verdict !== "PASS" && refresh()),
      stream.on("review", refresh),
      stream.onState(() => stream.state === "connected" && refresh()),
    ];
    return () => {
      window.clearTimeout(timer);
      for (const each of stop) {
        each();
      }
    };
  }, [stream, queries]);
}
