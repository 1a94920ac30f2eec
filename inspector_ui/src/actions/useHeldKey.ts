import { useEffect, useState } from "react";
import { isTyping } from "./dispatchKey";
import type { HoldAction } from "./holdAction";

/** Whether the action's key is down now; typing in a field or pressing a focused button does not count. */
export function useHeldKey({ code }: HoldAction): boolean {
  const [held, setHeld] = useState(false);
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      const { target } = event;
      const pressesButton =
        code === "Space" && target instanceof Element && target.closest("button:not([data-box]), a, input") !== null;
      const modified = event.ctrlKey || event.altKey || event.metaKey || event.shiftKey;
      if (event.code !== code || modified || event.isComposing || isTyping(target) || pressesButton) {
        return;
      }
      if (document.querySelector('[role="dialog"]') === null) {
        event.preventDefault();
        setHeld(true);
      }
    };
    const release = (event: Event) => {
      if (!(event instanceof KeyboardEvent) || event.code === code) {
        setHeld(false);
      }
    };
    window.addEventListener("keydown", onKeyDown);
    window.addEventListener("keyup", release);
    // a key let go in another window is never heard of
    window.addEventListener("blur", release);
    return () => {
      window.removeEventListener("keydown", onKeyDown);
      window.removeEventListener("keyup", release);
      window.removeEventListener("blur", release);
    };
  }, [code]);
  return held;
}
