/** A diamond with two bars: an outline that no verdict has. */
export function HoldShape({ size = 24 }: { size?: number | string }) {
  return (
    <svg aria-hidden="true" viewBox="0 0 24 24" width={size} height={size} style={{ flex: "none", display: "block" }}>
      <path d="M12 .8 23.2 12 12 23.2.8 12Z" fill="var(--hold)" stroke="var(--hold-on)" />
      <path d="M9.4 8v8M14.6 8v8" stroke="var(--hold-on)" strokeWidth={2.6} strokeLinecap="round" />
    </svg>
  );
}
