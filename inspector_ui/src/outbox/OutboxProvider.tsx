import { createContext, type ReactNode, useContext, useEffect, useState, useSyncExternalStore } from "react";
import { useWho } from "../who/WhoProvider";
import type { OutboxEntry } from "./entry";
import { Outbox } from "./outbox";
import { sendReview } from "./send";
import { OutboxStore } from "./store";

const OutboxContext = createContext<Outbox | null>(null);

/**
 * The outbox of this machine; it starts sending as soon as the page is open, whichever page that is.
 *
 * With authentication, the reviews of whoever is signed in: those of others wait on this machine until they are back.
 */
export function OutboxProvider({ children }: { children: ReactNode }) {
  const [outbox] = useState(() => new Outbox({ store: new OutboxStore(), send: sendReview }));
  const { auth, name } = useWho();
  useEffect(() => {
    outbox.sendOnlyOf(auth ? (name ?? "") : null);
    const drain = () => void outbox.drain();
    drain();
    window.addEventListener("online", drain);
    return () => window.removeEventListener("online", drain);
  }, [outbox, auth, name]);
  return <OutboxContext value={outbox}>{children}</OutboxContext>;
}

export function useOutbox(): Outbox {
  const outbox = useContext(OutboxContext);
  if (outbox === null) {
    throw new Error("useOutbox needs an OutboxProvider above it");
  }
  return outbox;
}

/** Why this machine keeps no reviews; null when it does. */
export function useUnkept(): string | null {
  const outbox = useOutbox();
  return useSyncExternalStore(outbox.subscribe, () => outbox.unkept);
}

export function useOutboxEntries(): readonly OutboxEntry[] {
  const outbox = useOutbox();
  return useSyncExternalStore(outbox.subscribe, () => outbox.entries);
}
