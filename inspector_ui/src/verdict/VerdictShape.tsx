import type { ReviewDecision, Verdict } from "../api/types";

/** Each verdict has its own outline, so that it is told apart without colour: circle, triangle, octagon, square. */
const SHAPES: Record<Verdict, { outline: string; sign: string }> = {
  PASS: { outline: "M12 1.5a10.5 10.5 0 1 0 0 21 10.5 10.5 0 0 0 0-21Z", sign: "m7 12.5 3.5 3.5L17 8.5" },
  REVIEW: { outline: "M12 1.8 23.3 21.5H.7Z", sign: "M12 9v6M12 18v.2" },
  REJECT: { outline: "M7.7 1.5h8.6l6.2 6.2v8.6l-6.2 6.2H7.7l-6.2-6.2V7.7Z", sign: "m8 8 8 8M16 8l-8 8" },
  NO_DECISION: {
    outline: "M3 2h18a1 1 0 0 1 1 1v18a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1V3a1 1 0 0 1 1-1Z",
    sign: "M9 9.2a3 3 0 1 1 4.3 2.7c-.9.5-1.3 1-1.3 2.1M12 17.5v.2",
  },
};

const DECISION_SHAPES: Record<ReviewDecision, Verdict> = {
  DEFECT_CONFIRMED: "REJECT",
  FALSE_CALL: "PASS",
  DEFECT_ACCEPTED: "REVIEW",
  UNSURE: "NO_DECISION",
};

export function VerdictShape({ verdict, size = 24 }: { verdict: Verdict; size?: number | string }) {
  const { outline, sign } = SHAPES[verdict];
  const colour = verdictColour(verdict);
  return (
    <svg aria-hidden="true" viewBox="0 0 24 24" width={size} height={size} style={{ flex: "none", display: "block" }}>
      <path d={outline} fill={`var(--verdict-${colour})`} />
      <path
        d={sign}
        fill="none"
        stroke={`var(--verdict-${colour}-on)`}
        strokeWidth={2.4}
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  );
}

export function verdictColour(verdict: Verdict): string {
  return verdict.toLowerCase().replace("_", "-");
}

/** Decisions borrow the shape and colour of the verdict that they amount to. */
export function decisionColour(decision: ReviewDecision): string {
  return verdictColour(DECISION_SHAPES[decision]);
}

export function decisionVerdict(decision: ReviewDecision): Verdict {
  return DECISION_SHAPES[decision];
}
