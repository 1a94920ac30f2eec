import { createContext, type ReactNode, useContext, useEffect, useState, useSyncExternalStore } from "react";
import { EventStream, type StreamState } from "./eventStream";

const StreamContext = createContext<EventStream | null>(null);

export function EventStreamProvider({ children }: { children: ReactNode }) {
  const [stream] = useState(() => new EventStream());
  useEffect(() => {
    stream.open();
    const reopen = () => stream.open();
    window.addEventListener("online", reopen);
    return () => {
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
