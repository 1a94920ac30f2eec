import type { LabelKey } from "../actions/action";
import type { ReviewDecision } from "../api/types";

/**
 * The words for a decision. "False call" makes sense of a flagged part only; of a part that the model passed, and of every
 * part whose verdict is hidden, the same words name what the part is.
 */
export function decisionLabel(decision: ReviewDecision | null, unflagged: boolean): LabelKey {
  return unflagged ? `decisionUnflagged.${decision ?? "withdrawn"}` : `decision.${decision ?? "withdrawn"}`;
}
