import { useCallback, useEffect, useRef, useState } from "react";
import { v4 as uuid } from "uuid";
import { useEventStream } from "../api/EventStreamProvider";
import type { Inspection, Review, ReviewDecision } from "../api/types";
import { useOutbox, useOutboxEntries } from "../outbox/OutboxProvider";
import { useReviewer } from "../reviewer/reviewer";
import { useQueue, useSession } from "./SessionProvider";
import { withDecision, withoutLast } from "./session";

/** What the person may add to a decision on the part now shown. */
export interface Draft {
  defectClass: string | null;
  note: string;
}

/**
 * Which part is shown, and what happens when it is decided.
 *
 * A part stays on the screen until this person decides it: a refreshed queue must not swap it under their fingers.
 */
export function useReviewing() {
  const [reviewer] = useReviewer();
  const outbox = useOutbox();
  const entries = useOutboxEntries();
  const [session, setSession] = useSession();
  const { query, items, done, waiting } = useQueue();
  const [held, setHeld] = useState<Inspection | null>(null);
  const current = held !== null && !done.has(held.id) ? held : (items[0] ?? null);
  const [draft, setDraft] = useDraft(current);
  const [saveError, setSaveError] = useState<string | null>(null);
  const busy = useRef(false);
  const shownAt = useRef(0);

  // the id alone tells one part from another: a refreshed copy of the same part is not a new one
  const currentId = current?.id ?? null;
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  useEffect(() => {
    setHeld(current);
    shownAt.current = performance.now();
  }, [currentId]);

  const save = useCallback(
    async (
      inspection: Inspection,
      decision: ReviewDecision | null,
      extra: Partial<Draft> & { seconds: number | null },
    ) => {
      const hasDefect = decision === "DEFECT_CONFIRMED" || decision === "DEFECT_ACCEPTED";
      await outbox.add({
        clientId: uuid(),
        partId: inspection.part_id,
        request: {
          inspection_id: inspection.id,
          decision,
          defect_class: hasDefect ? (extra.defectClass ?? null) : null,
          note: extra.note?.trim() ?? "",
          reviewer,
          seconds: extra.seconds,
          decided_at: new Date().toISOString(),
        },
      });
    },
    [outbox, reviewer],
  );

  const once = useCallback(async (task: () => Promise<void>) => {
    if (busy.current) {
      return;
    }
    busy.current = true;
    try {
      await task();
      setSaveError(null);
    } catch (error) {
      // IndexedDB reports a full or forbidden disk with DOMException; the part then stays on the screen
      if (!(error instanceof DOMException)) {
        throw error;
      }
      setSaveError(error.message);
    } finally {
      busy.current = false;
    }
  }, []);

  const decide = (decision: ReviewDecision) =>
    void once(async () => {
      if (current === null) {
        return;
      }
      const seconds = Math.round((performance.now() - shownAt.current) / 100) / 10;
      await save(current, decision, { ...draft, seconds });
      setSession((before) => withDecision(before, { inspection: current, decision }));
    });

  const undo = () =>
    void once(async () => {
      const last = session.decided.at(-1);
      if (last === undefined) {
        return;
      }
      await save(last.inspection, null, { seconds: null });
      setSession(withoutLast);
      setHeld(last.inspection);
    });

  return {
    query,
    current,
    next: items.filter((item) => item.id !== current?.id),
    waiting: Math.max(waiting, current === null ? 0 : 1),
    decidedCount: session.count,
    last: session.decided.at(-1) ?? null,
    unsent: entries.filter((entry) => entry.refusal === null).length,
    refused: entries.filter((entry) => entry.refusal !== null).length,
    draft,
    setDraft,
    saveError,
    otherReview: useOtherReview(current),
    decide,
    undo,
    show: setHeld,
  };
}

function useDraft(current: Inspection | null): [Draft, (change: Partial<Draft>) => void] {
  const [draft, setDraft] = useState<Draft & { of: string | null }>({ of: null, defectClass: null, note: "" });
  const id = current?.id ?? null;
  const fitting = draft.of === id ? draft : { of: id, defectClass: current?.class ?? null, note: "" };
  return [fitting, (change) => setDraft({ ...fitting, ...change })];
}

/** The review that someone else has stored for the part on the screen since it came up. */
function useOtherReview(current: Inspection | null): Review | null {
  const stream = useEventStream();
  const [review, setReview] = useState<Review | null>(null);
  useEffect(() => stream.on("review", setReview), [stream]);
  const [reviewer] = useReviewer();
  return review !== null && review.inspection_id === current?.id && review.reviewer !== reviewer ? review : null;
}
