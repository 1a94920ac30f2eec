import { createContext, type ReactNode, useContext, useEffect, useState, useSyncExternalStore } from "react";
import { EventStream, type StreamState } from "./eventStream";
import { noteStatus } from "./refusal";

const StreamContext = createContext<EventStream | null>(null);

export function EventStreamProvider({ children }: { children: ReactNode }) {
  const [stream] = useState(() => new EventStream());
  useEffect(() => {
    // browsers have six connections to a host for all tabs: with six streams held, no decision could be sent any more
    const follow = () => (document.visibilityState === "visible" ? stream.open() : stream.pause());
    follow();
    // an EventSource does not tell a refusal from a lost connection, so whether the session has ended must be asked
    const stopListening = stream.onState(() => stream.state === "lost" && noteStatus(401));
    window.addEventListener("online", follow);
    document.addEventListener("visibilitychange", follow);
    return () => {
      stopListening();
      window.removeEventListener("online", follow);
      document.removeEventListener("visibilitychange", follow);
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
