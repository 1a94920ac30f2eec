import type { ReviewRequest } from "../api/types";

/** A review that the server has not acknowledged yet. */
export interface OutboxEntry {
  /** Order of sending; given by the store. */
  seq: number;
  clientId: string;
  request: ReviewRequest;
  /** What the person saw, so that a refusal can name the part. */
  partId: string;
  /** The server's sentence when it refused the review for good; null while it still waits to be sent. */
  refusal: string | null;
  /** Whether it was refused because somebody else had decided what this person did not see. */
  conflict?: boolean;
}

export type NewOutboxEntry = Omit<OutboxEntry, "seq" | "refusal" | "conflict">;
