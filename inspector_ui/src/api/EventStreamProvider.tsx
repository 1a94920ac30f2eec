import { createContext, type ReactNode, useContext, useEffect, useState, useSyncExternalStore } from "react";
import { EventStream, type StreamState } from "./eventStream";
import { noteStatus } from "./refusal";

const StreamContext = createContext<EventStream | null>(null);

export function EventStreamProvider({ children }: { children: ReactNode }) {
  const [stream] = useState(() => new EventStream());
  useEffect(() => {
    stream.open();
    // an EventSource does not tell a refusal from a lost connection, so whether the session has ended must be asked
    const stopListening = stream.onState(() => stream.state === "lost" && noteStatus(401));
    const reopen = () => stream.open();
    window.addEventListener("online", reopen);
    return () => {
      stopListening();
      window.removeEventListener("online", reopen);
      stream.close();
    };
  }, [stream]);
  return <StreamContext value={stream}>{children}</StreamContext>;
}

export function useEventStream(): EventStream {
  const stream = useContext(StreamContext);
  if (stream === null) {
    throw new Error("useEventStream needs an EventStreamProvider above it");
  }
  return stream;
}

export function useStreamState(): StreamState {
  const stream = useEventStream();
  return useSyncExternalStore(stream.onState, () => stream.state);
}
