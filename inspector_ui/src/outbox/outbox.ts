import type { NewOutboxEntry, OutboxEntry } from "./entry";
import type { SendResult } from "./send";
import type { OutboxStore } from "./store";

const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 30_000;

export interface OutboxOptions {
  store: OutboxStore;
  send: (entry: OutboxEntry) => Promise<SendResult>;
  /** Runs `task` after `ms` and returns how to cancel it; a parameter so that tests need not wait. */
  schedule?: (task: () => void, ms: number) => () => void;
}

/** The review is neither on this machine's disk nor with the server; the message says why. */
export class NotKeptError extends Error {}

/**
 * Reviews go to disk first and to the server after, in the order they were made.
 *
 * An unreachable or overloaded server stops the line of entries until it answers; an entry that the server refuses for
 * good is kept, with the reason, for a person to see, and the next ones go on. Where the browser keeps nothing on disk (a
 * private window, a full disk), `unkept` says why, and each review goes to the server before it counts as made.
 */
export class Outbox {
  private snapshot: readonly OutboxEntry[] = [];
  private readonly listeners = new Set<() => void>();
  private readonly store: OutboxStore;
  private readonly send: OutboxOptions["send"];
  private readonly schedule: NonNullable<OutboxOptions["schedule"]>;
  private draining = false;
  private again = false;
  private failures = 0;
  private cancelRetry: (() => void) | null = null;
  private reviewer: string | null = null;
  private whyUnkept: string | null = null;

  constructor({ store, send, schedule = browserTimer }: OutboxOptions) {
    this.store = store;
    this.send = send;
    this.schedule = schedule;
    store.onChangeElsewhere(() => void this.takeOver());
  }

  get entries(): readonly OutboxEntry[] {
    return this.snapshot;
  }

  /** Why this machine keeps no reviews, in the browser's words; null when it does. */
  get unkept(): string | null {
    return this.whyUnkept;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Send the reviews of this person only, and keep the others'; null sends everybody's, "" nobody's. */
  sendOnlyOf(reviewer: string | null): void {
    this.reviewer = reviewer;
  }

  /**
   * Resolves once the review is safe on disk; sending goes on by itself. `kept` comes between that and telling others.
   *
   * A browser that keeps nothing has it sent first; raises NotKeptError when the server does not take it either.
   */
  async add(entry: NewOutboxEntry, kept?: () => Promise<void>): Promise<void> {
    try {
      await this.store.add(entry);
      this.whyUnkept = null;
    } catch (error) {
      this.noteUnkept(error);
      await this.sendUnkept(entry);
    }
    await kept?.();
    await this.refresh();
    void this.drain();
  }

  /** Try a refused entry once more, as it is. */
  async sendAgain(entry: OutboxEntry): Promise<void> {
    await this.store.put({ ...entry, refusal: null, conflict: false });
    await this.refresh();
    void this.drain();
  }

  /** Let a decision replace the one that it conflicts with, which the person has now seen. */
  async replace(entry: OutboxEntry, seenReview: string | null): Promise<void> {
    await this.sendAgain({ ...entry, request: { ...entry.request, seen_review: seenReview } });
  }

  /** Give a refused entry up; only ever because a person said so. */
  async discard(entry: OutboxEntry): Promise<void> {
    await this.store.remove(entry.seq);
    await this.refresh();
  }

  /** Send what waits, oldest first, until the outbox is empty or the server cannot be reached. */
  async drain(): Promise<void> {
    if (this.draining) {
      this.again = true;
      return;
    }
    this.draining = true;
    this.cancelRetry?.();
    this.cancelRetry = null;
    try {
      do {
        this.again = false;
        await this.drainOnce();
      } while (this.again);
    } finally {
      this.draining = false;
    }
  }

  private async drainOnce(): Promise<void> {
    await this.refresh();
    for (const entry of this.snapshot.filter((each) => each.refusal === null)) {
      if (this.reviewer !== null && entry.request.reviewer !== this.reviewer) {
        continue;
      }
      const result = await this.send(entry);
      if (result.kind === "later") {
        this.again = false;
        this.retryLater(result.waitMs);
        return;
      }
      this.failures = 0;
      if (result.kind === "stored") {
        await this.store.remove(entry.seq);
      } else {
        await this.store.put({ ...entry, refusal: result.reason, conflict: result.conflict });
      }
      await this.refresh();
    }
  }

  private noteUnkept(error: unknown): void {
    // IndexedDB reports a full or forbidden disk with DOMException
    if (!(error instanceof DOMException)) {
      throw error;
    }
    this.whyUnkept = error.message;
    this.tell();
  }

  private async sendUnkept(entry: NewOutboxEntry): Promise<void> {
    const result = await this.send({ ...entry, seq: 0, refusal: null });
    if (result.kind !== "stored") {
      throw new NotKeptError(result.kind === "refused" ? result.reason : (this.whyUnkept ?? ""));
    }
  }

  /** Another tab sends what it made by itself; should it be closed, this one does. */
  private async takeOver(): Promise<void> {
    await this.refresh();
    if (!this.draining && this.cancelRetry === null && this.snapshot.some((entry) => entry.refusal === null)) {
      this.cancelRetry = this.schedule(() => void this.drain(), LONGEST_DELAY_MS);
    }
  }

  private retryLater(atLeastMs: number): void {
    const backoff = Math.min(FIRST_DELAY_MS * 2 ** this.failures, LONGEST_DELAY_MS);
    this.failures += 1;
    this.cancelRetry = this.schedule(() => void this.drain(), Math.max(backoff, atLeastMs));
  }

  private async refresh(): Promise<void> {
    try {
      this.snapshot = await this.store.list();
    } catch (error) {
      this.noteUnkept(error);
    }
    this.tell();
  }

  private tell(): void {
    for (const listener of this.listeners) {
      listener();
    }
  }
}

function browserTimer(task: () => void, ms: number): () => void {
  const timer = setTimeout(task, ms);
  return () => clearTimeout(timer);
}
