import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { NewOutboxEntry, OutboxEntry } from "./entry";

type Row = Omit<OutboxEntry, "seq"> & { seq?: number };

interface Schema extends DBSchema {
  reviews: { key: number; value: Row };
}

/** The outbox on this machine's disk (IndexedDB): it survives a reload, a crash and a power cut. */
export class OutboxStore {
  private readonly db: Promise<IDBPDatabase<Schema>>;

  constructor(name = "inspector-outbox") {
    this.db = openDB<Schema>(name, 1, {
      upgrade(db) {
        db.createObjectStore("reviews", { keyPath: "seq", autoIncrement: true });
      },
    });
  }

  /** Resolves once the entry is on disk. */
  async add(entry: NewOutboxEntry): Promise<void> {
    const transaction = (await this.db).transaction("reviews", "readwrite", { durability: "strict" });
    await Promise.all([transaction.store.add({ ...entry, refusal: null }), transaction.done]);
  }

  /** Every entry, oldest first. */
  async list(): Promise<OutboxEntry[]> {
    return (await (await this.db).getAll("reviews")) as OutboxEntry[];
  }

  async remove(seq: number): Promise<void> {
    await (await this.db).delete("reviews", seq);
  }

  async put(entry: OutboxEntry): Promise<void> {
    await (await this.db).put("reviews", entry);
  }
}
