import { createContext, type ReactNode, useContext, useEffect, useState, useSyncExternalStore } from "react";
import type { OutboxEntry } from "./entry";
import { Outbox } from "./outbox";
import { sendReview } from "./send";
import { OutboxStore } from "./store";

const OutboxContext = createContext<Outbox | null>(null);

/** The outbox of this machine; it starts sending as soon as the page is open, whichever page that is. */
export function OutboxProvider({ children }: { children: ReactNode }) {
  const [outbox] = useState(() => new Outbox({ store: new OutboxStore(), send: sendReview }));
  useEffect(() => {
    const drain = () => void outbox.drain();
    drain();
    window.addEventListener("online", drain);
    return () => window.removeEventListener("online", drain);
  }, [outbox]);
  return <OutboxContext value={outbox}>{children}</OutboxContext>;
}

export function useOutbox(): Outbox {
  const outbox = useContext(OutboxContext);
  if (outbox === null) {
    throw new Error("useOutbox needs an OutboxProvider above it");
  }
  return outbox;
}

export function useOutboxEntries(): readonly OutboxEntry[] {
  const outbox = useOutbox();
  return useSyncExternalStore(outbox.subscribe, () => outbox.entries);
}
