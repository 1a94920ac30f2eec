import type { Alarm, Inspection, LineHold, Review } from "./types";

export type StreamState = "connecting" | "connected" | "lost";

interface Payloads {
  inspection: Inspection;
  review: Review;
  alarm: Alarm;
  line_hold: LineHold;
}

type Listener<Kind extends keyof Payloads> = (payload: Payloads[Kind]) => void;

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;

/**
 * Server-sent events of `/v1/events`, one connection for the whole page.
 *
 * EventSource gives up for good on an HTTP error (a restarting proxy answers 502), so reconnecting is done here.
 */
export class EventStream {
  private source: EventSource | null = null;
  private timer: number | undefined;
  private failures = 0;
  private current: StreamState = "connecting";
  private readonly stateListeners = new Set<() => void>();
  private readonly listeners: { [Kind in keyof Payloads]: Set<Listener<Kind>> } = {
    inspection: new Set(),
    review: new Set(),
    alarm: new Set(),
    line_hold: new Set(),
  };

  get state(): StreamState {
    return this.current;
  }

  readonly onState = (listener: () => void): (() => void) => {
    this.stateListeners.add(listener);
    return () => this.stateListeners.delete(listener);
  };

  on<Kind extends keyof Payloads>(kind: Kind, listener: Listener<Kind>): () => void {
    this.listeners[kind].add(listener);
    return () => this.listeners[kind].delete(listener);
  }

  open(): void {
    window.clearTimeout(this.timer);
    this.source?.close();
    const source = new EventSource("/v1/events");
    this.source = source;
    source.addEventListener("open", () => {
      this.failures = 0;
      this.become("connected");
    });
    source.addEventListener("error", () => this.retry());
    source.addEventListener("inspection", (event) => this.publish("inspection", event));
    source.addEventListener("review", (event) => this.publish("review", event));
    source.addEventListener("alarm", (event) => this.publish("alarm", event));
    source.addEventListener("line_hold", (event) => this.publish("line_hold", event));
  }

  close(): void {
    window.clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  /** Give the connection to others until it is opened again; what is read then closes the gap. */
  pause(): void {
    this.close();
    this.become("connecting");
  }

  private publish<Kind extends keyof Payloads>(kind: Kind, event: MessageEvent<string>): void {
    const payload = JSON.parse(event.data) as Payloads[Kind];
    for (const listener of this.listeners[kind]) {
      listener(payload);
    }
  }

  private retry(): void {
    this.close();
    this.become("lost");
    const delay = Math.min(FIRST_DELAY_MS * 2 ** this.failures, LONGEST_DELAY_MS);
    this.failures += 1;
    this.timer = window.setTimeout(() => this.open(), delay);
  }

  private become(state: StreamState): void {
    if (state !== this.current) {
      this.current = state;
      for (const listener of this.stateListeners) {
        listener();
      }
    }
  }
}
