import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { NewOutboxEntry, OutboxEntry } from "./entry";

type Row = Omit<OutboxEntry, "seq"> & { seq?: number };

interface Schema extends DBSchema {
  reviews: { key: number; value: Row };
}

/** The outbox on this machine's disk (IndexedDB): it survives a reload, a crash and a power cut. */
export class OutboxStore {
  private db: Promise<IDBPDatabase<Schema>> | null = null;
  private readonly name: string;
  private readonly otherTabs: BroadcastChannel;

  constructor(name = "inspector-outbox") {
    this.name = name;
    this.otherTabs = new BroadcastChannel(name);
  }

  /** Call `listener` after another tab changed the entries. */
  onChangeElsewhere(listener: () => void): void {
    this.otherTabs.onmessage = listener;
  }

  private opened(): Promise<IDBPDatabase<Schema>> {
    this.db ??= this.open().catch((error: unknown) => {
      // tried anew the next time: the person may have made room
      this.db = null;
      throw error;
    });
    return this.db;
  }

  // async, so that a browser which forbids it at once answers like one that forbids it later
  private async open(): Promise<IDBPDatabase<Schema>> {
    return await openDB<Schema>(this.name, 1, {
      upgrade(db) {
        db.createObjectStore("reviews", { keyPath: "seq", autoIncrement: true });
      },
      terminated: () => {
        this.db = null;
      },
    });
  }

  /** Resolves once the entry is on disk. */
  async add(entry: NewOutboxEntry): Promise<void> {
    const transaction = (await this.opened()).transaction("reviews", "readwrite", { durability: "strict" });
    await Promise.all([transaction.store.add({ ...entry, refusal: null }), transaction.done]);
    this.otherTabs.postMessage(null);
  }

  /** Every entry, oldest first. */
  async list(): Promise<OutboxEntry[]> {
    return (await (await this.opened()).getAll("reviews")) as OutboxEntry[];
  }

  async remove(seq: number): Promise<void> {
    await (await this.opened()).delete("reviews", seq);
    this.otherTabs.postMessage(null);
  }

  async put(entry: OutboxEntry): Promise<void> {
    await (await this.opened()).put("reviews", entry);
    this.otherTabs.postMessage(null);
  }
}
