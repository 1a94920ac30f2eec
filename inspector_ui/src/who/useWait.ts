import { useEffect, useState } from "react";

/** Seconds left of a wait that the server asked for, counted down; and how to begin one. */
export function useWait(): [number, (seconds: number) => void] {
  const [left, setLeft] = useState(0);
  useEffect(() => {
    if (left > 0) {
      const timer = window.setTimeout(() => setLeft(left - 1), 1000);
      return () => window.clearTimeout(timer);
    }
  }, [left]);
  return [left, setLeft];
}

export function retryAfter(response: Response): number {
  return Number(response.headers.get("Retry-After")) || 1;
}
