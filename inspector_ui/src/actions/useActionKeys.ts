import { useEffect, useLayoutEffect, useRef } from "react";
import type { Action } from "./action";
import { dispatchKey } from "./dispatchKey";

/** Listen for the keys of `actions` while the component is mounted; an open dialog has the keyboard to itself. */
export function useActionKeys<Context>(actions: readonly Action<Context>[], context: Context): void {
  const latest = useRef({ actions, context });
  // with what is drawn, not after it: a key must never be about the part that was on the screen before
  useLayoutEffect(() => {
    latest.current = { actions, context };
  });
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (document.querySelector('[role="dialog"]') === null) {
        dispatchKey(event, latest.current.actions, latest.current.context);
      }
    };
    window.addEventListener("keydown", onKeyDown);
    return () => window.removeEventListener("keydown", onKeyDown);
  }, []);
}
