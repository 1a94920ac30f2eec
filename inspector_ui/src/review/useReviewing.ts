import { useSessionStorage } from "@mantine/hooks";
import { useCallback, useEffect, useRef, useState } from "react";
import { v4 as uuid } from "uuid";
import { useEventStream } from "../api/EventStreamProvider";
import { serverNow } from "../api/serverClock";
import type { QueueItem, Review, ReviewDecision } from "../api/types";
import { asMarked } from "../image/boxes";
import { useOutbox, useOutboxEntries } from "../outbox/OutboxProvider";
import { NotKeptError } from "../outbox/outbox";
import { useReviewer } from "../reviewer/reviewer";
import { useSession } from "./SessionProvider";
import { type Decided, type Draft, undoable, withDecision, withoutInspection } from "./session";
import { type OnScreen, useHand } from "./useHand";

const EMPTY: Draft = { defectClass: null, note: "", boxes: [] };
const NO_DRAFT = { of: null, ...EMPTY };

/**
 * Which part is shown, and what happens when it is decided.
 *
 * A part stays on the screen until this person decides it: a refreshed queue must not swap it under their fingers.
 * `showAhead` is called with the next part as soon as a decision is safe, before the page is drawn anew around it.
 */
export function useReviewing(showAhead: (next: QueueItem) => Promise<void>) {
  const [reviewer] = useReviewer();
  const outbox = useOutbox();
  const entries = useOutboxEntries();
  const [session, setSession] = useSession();
  const onScreen = useRef<OnScreen | null>(null);
  const { query, items, done, filters, waiting, withOthers, refused } = useHand(onScreen);
  const [held, setHeldItem] = useState<{ item: QueueItem; filters: string } | null>(null);
  const setHeld = (item: QueueItem | null) => setHeldItem(item === null ? null : { item, filters });
  const stays = held !== null && held.filters === filters && !done.has(held.item.id);
  const current = stays ? held.item : (items[0] ?? null);
  const { draft, setDraft, restoreDraft } = useDraft(current);
  const [saveError, setSaveError] = useState<string | null>(null);
  const busy = useRef(false);
  const shownAt = useRef(0);

  // the id alone tells one part from another: a refreshed copy of the same part is not a new one
  const currentId = current?.id ?? null;
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  useEffect(() => {
    setHeld(current);
    onScreen.current = currentId === null ? null : { id: currentId, filters };
    shownAt.current = performance.now();
  }, [currentId, filters]);

  const save = useCallback(
    async (
      inspection: QueueItem,
      decision: ReviewDecision | null,
      seen: string | null,
      extra: Partial<Draft> & { seconds: number | null },
      kept?: () => Promise<void>,
    ): Promise<string> => {
      const hasDefect = decision === "DEFECT_CONFIRMED" || decision === "DEFECT_ACCEPTED";
      const defectClass = hasDefect ? (extra.defectClass ?? null) : null;
      const clientId = uuid();
      const request = {
        inspection_id: inspection.id,
        decision,
        defect_class: defectClass,
        // nobody marks a defect where there is none
        boxes: decision === null || decision === "FALSE_CALL" ? [] : asMarked(extra.boxes ?? [], defectClass),
        note: extra.note?.trim() ?? "",
        reviewer,
        seconds: extra.seconds,
        blind: inspection.blind,
        seen_review: seen,
        decided_at: new Date(serverNow()).toISOString(),
      };
      await outbox.add({ clientId, partId: inspection.part_id, request }, kept);
      return clientId;
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
      // the part then stays on the screen
      if (!(error instanceof NotKeptError)) {
        throw error;
      }
      setSaveError(error.message);
    } finally {
      busy.current = false;
    }
  }, []);

  const otherReview = useOtherReview(current);
  const decide = (decision: ReviewDecision) =>
    void once(async () => {
      if (current === null) {
        return;
      }
      const seconds = Math.round((performance.now() - shownAt.current) / 100) / 10;
      // what is told on the screen has been seen
      const seen = otherReview?.client_id ?? current.review?.client_id ?? null;
      const following = items.find(({ id }) => id !== current.id);
      const kept = following && (() => showAhead(following));
      const clientId = await save(current, decision, seen, { ...draft, seconds }, kept);
      setSession((before) => withDecision(before, { inspection: current, decision, clientId, draft }));
    });

  const undo = (decided: Decided | undefined = session.decided.at(-1)) =>
    void once(async () => {
      if (decided === undefined) {
        return;
      }
      await save(decided.inspection, null, decided.clientId, { seconds: null });
      setSession((before) => withoutInspection(before, decided.inspection.id));
      restoreDraft(decided.inspection, decided.draft);
      setHeld(decided.inspection);
    });

  return {
    query,
    current,
    next: items.filter((item) => item.id !== current?.id),
    waiting: Math.max(waiting, current === null ? 0 : 1),
    withOthers,
    takenBy: refused.find((claim) => claim.inspection_id === currentId)?.reviewer ?? null,
    decidedCount: session.count,
    decided: undoable(session),
    last: session.decided.at(-1) ?? null,
    unsent: entries.filter((entry) => entry.refusal === null).length,
    refused: entries.filter((entry) => entry.refusal !== null).length,
    draft,
    setDraft,
    saveError,
    otherReview,
    decide,
    undo,
    show: setHeld,
    /** Leave the part to somebody else. */
    pass: () => setHeld(items.find((item) => item.id !== currentId) ?? null),
  };
}

function useDraft(current: QueueItem | null) {
  // a note or boxes half made are there again after a reload, and after signing in again
  const [reviewer] = useReviewer();
  const [kept, setKept] = useSessionStorage<Draft & { of: string | null }>({
    key: `inspector.draft.${reviewer}`,
    defaultValue: NO_DRAFT,
    getInitialValueInEffect: false,
  });
  const id = current?.id ?? null;
  // a class chosen beforehand would tell what the model said
  const likely = current === null || current.blind ? null : current.class;
  const draft = kept.of === id ? kept : { of: id, ...EMPTY, defectClass: likely };
  return {
    draft,
    setDraft: (change: Partial<Draft>) => setKept({ ...draft, ...change }),
    restoreDraft: ({ id }: QueueItem, before: Draft) => setKept({ ...EMPTY, ...before, of: id }),
  };
}

/** The review that someone else has stored for the part on the screen since it came up. */
function useOtherReview(current: QueueItem | null): Review | null {
  const stream = useEventStream();
  const [review, setReview] = useState<Review | null>(null);
  useEffect(() => stream.on("review", setReview), [stream]);
  const [reviewer] = useReviewer();
  return review !== null && review.inspection_id === current?.id && review.reviewer !== reviewer ? review : null;
}
