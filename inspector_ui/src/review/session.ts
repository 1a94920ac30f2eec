import type { QueueItem, ReviewDecision } from "../api/types";
import type { DrawnBox } from "../image/boxes";
import { IN_HAND } from "./queueQuery";

/** What the person may add to a decision on the part now shown. */
export interface Draft {
  defectClass: string | null;
  note: string;
  boxes: readonly DrawnBox[];
}

/** One decision of this session. */
export interface Decided {
  inspection: QueueItem;
  decision: ReviewDecision;
  /** Of the review, so that undoing says what it undoes. */
  clientId: string;
  /** What the person had added, which undoing brings back. */
  draft: Draft;
}

/** What this person did since the browser tab was opened. */
export interface Session {
  count: number;
  /** The latest decisions, newest last: a hand given before them still names their parts. */
  decided: readonly Decided[];
}

export const emptySession: Session = { count: 0, decided: [] };

const MOST_UNDOS = 10;

/** The decisions that can still be undone. */
export function undoable({ decided }: Session): readonly Decided[] {
  return decided.slice(-MOST_UNDOS);
}

export function withDecision(session: Session, decided: Decided): Session {
  return { count: session.count + 1, decided: [...session.decided, decided].slice(-IN_HAND) };
}

/** For a decision that was undone, or that never reached the server and was given up: its part is open again. */
export function withoutInspection(session: Session, inspectionId: string): Session {
  const decided = session.decided.filter(({ inspection }) => inspection.id !== inspectionId);
  return { count: Math.max(0, session.count - (session.decided.length - decided.length)), decided };
}
