import { csrfHeaders } from "../api/csrf";
import { problemDetail } from "../api/problem";
import { noteStatus } from "../api/refusal";
import type { OutboxEntry } from "./entry";

export type SendResult =
  | { kind: "stored" }
  | { kind: "refused"; reason: string; conflict: boolean }
  /** Unreachable, overloaded or failing: the same PUT is sent again, which is harmless. */
  | { kind: "later"; waitMs: number };

const TIMEOUT_MS = 10_000;
const WORTH_RETRYING = new Set([401, 403, 408, 421, 425, 429]);

/** PUT one review. Never throws: whatever happens to the request is one of the three results. */
export async function sendReview(entry: OutboxEntry): Promise<SendResult> {
  let response: Response;
  try {
    response = await fetch(`/v1/reviews/${entry.clientId}`, {
      method: "PUT",
      headers: { "Content-Type": "application/json", ...csrfHeaders() },
      body: JSON.stringify(entry.request),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    // fetch says "no answer" with TypeError, and a time-out or abort with DOMException
    if (error instanceof TypeError || error instanceof DOMException) {
      return { kind: "later", waitMs: 0 };
    }
    throw error;
  }
  if (response.ok) {
    return { kind: "stored" };
  }
  noteStatus(response.status);
  if (response.status >= 500 || WORTH_RETRYING.has(response.status)) {
    return { kind: "later", waitMs: 1000 * (Number(response.headers.get("Retry-After")) || 0) };
  }
  const body: unknown = await response.json().catch(() => null);
  return { kind: "refused", reason: problemDetail(response.status, body), conflict: response.status === 412 };
}
