import "fake-indexeddb/auto";
import { expect, test, vi } from "vitest";
import type { NewOutboxEntry, OutboxEntry } from "./entry";
import { NotKeptError, Outbox } from "./outbox";
import type { SendResult } from "./send";
import { OutboxStore } from "./store";

let databases = 0;

function entry(clientId: string, reviewer = "ann"): NewOutboxEntry {
  return {
    clientId,
    partId: `part of ${clientId}`,
    request: {
      inspection_id: clientId,
      decision: "FALSE_CALL",
      defect_class: null,
      boxes: [{ x0: 1, y0: 2, x1: 30, y1: 40, label: "crack" }],
      note: "",
      reviewer,
      seconds: 1,
      blind: false,
      decided_at: "2026-11-01T08:00:00Z",
    },
  };
}

/** An outbox before a server whose next answers are `answers`; after them it stores everything. */
function outboxBefore(answers: SendResult[], name = `outbox ${databases++}`) {
  const sent: string[] = [];
  const waits: number[] = [];
  let retry: (() => void) | null = null;
  const outbox = new Outbox({
    store: new OutboxStore(name),
    send: async ({ clientId }: OutboxEntry) => {
      sent.push(clientId);
      return answers.shift() ?? { kind: "stored" };
    },
    schedule: (task, ms) => {
      waits.push(ms);
      retry = task;
      return () => undefined;
    },
  });
  return { outbox, sent, waits, name, retryNow: () => retry?.() };
}

async function settled(outbox: Outbox, unsent: number): Promise<void> {
  await expect.poll(() => outbox.entries.filter((each) => each.refusal === null).length).toBe(unsent);
}

const later: SendResult = { kind: "later", waitMs: 0 };

test("reviews are sent in the order they were made, and leave the outbox", async () => {
  const { outbox, sent } = outboxBefore([]);
  await Promise.all([outbox.add(entry("a")), outbox.add(entry("b")), outbox.add(entry("c"))]);
  await settled(outbox, 0);
  expect(sent).toEqual(["a", "b", "c"]);
});

test("an unreachable server keeps everything, in order, and is tried again with growing waits", async () => {
  const { outbox, sent, waits, retryNow } = outboxBefore([later, later, later]);
  await outbox.add(entry("a"));
  await expect.poll(() => waits.length).toBe(1);
  retryNow();
  await expect.poll(() => waits.length).toBe(2);
  await outbox.add(entry("b"));
  await expect.poll(() => waits.length).toBe(3);
  expect(outbox.entries.map((each) => each.clientId)).toEqual(["a", "b"]);
  expect(waits).toEqual([1000, 2000, 4000]);
  retryNow();
  await settled(outbox, 0);
  expect(sent).toEqual(["a", "a", "a", "a", "b"]);
});

test("the server's Retry-After is waited for", async () => {
  const { outbox, waits } = outboxBefore([{ kind: "later", waitMs: 7000 }]);
  await outbox.add(entry("a"));
  await expect.poll(() => waits).toEqual([7000]);
});

test("a refused review is kept with its reason while the next ones go on, and can be sent again", async () => {
  const { outbox, sent } = outboxBefore([{ kind: "refused", reason: "No such inspection.", conflict: false }]);
  await outbox.add(entry("a"));
  await outbox.add(entry("b"));
  await settled(outbox, 0);
  expect(outbox.entries.map(({ clientId, refusal }) => [clientId, refusal])).toEqual([["a", "No such inspection."]]);
  const [refused] = outbox.entries;
  await outbox.sendAgain(refused as OutboxEntry);
  await expect.poll(() => outbox.entries.length).toBe(0);
  expect(sent).toEqual(["a", "b", "a"]);
});

test("what was not sent is sent after a reload", async () => {
  const before = outboxBefore([later]);
  await before.outbox.add(entry("a"));
  await expect.poll(() => before.waits.length).toBe(1);
  const after = outboxBefore([], before.name);
  await after.outbox.drain();
  expect(after.sent).toEqual(["a"]);
  expect(after.outbox.entries).toEqual([]);
});

test("reviews of somebody else wait until that person is back, and hold up nobody", async () => {
  const { outbox, sent } = outboxBefore([]);
  outbox.sendOnlyOf("");
  await outbox.add(entry("a", "ann"));
  await outbox.add(entry("b", "bob"));
  await outbox.drain();
  expect(sent).toEqual([]);
  outbox.sendOnlyOf("bob");
  await outbox.drain();
  await settled(outbox, 1);
  expect(sent).toEqual(["b"]);
  outbox.sendOnlyOf("ann");
  await outbox.drain();
  await settled(outbox, 0);
  expect(sent).toEqual(["b", "a"]);
});

test("a browser that keeps nothing says why, and a review counts once the server has it", async () => {
  const open = vi.spyOn(indexedDB, "open").mockImplementation(() => {
    throw new DOMException("denied", "SecurityError");
  });
  const { outbox, sent } = outboxBefore([{ kind: "stored" }, later]);
  await outbox.drain();
  expect(outbox.unkept).toBe("denied");
  await outbox.add(entry("a"));
  expect(sent).toEqual(["a"]);
  await expect(outbox.add(entry("b"))).rejects.toThrow(NotKeptError);
  open.mockRestore();
  await outbox.add(entry("c"));
  expect(outbox.unkept).toBeNull();
  await settled(outbox, 0);
  expect(sent).toEqual(["a", "b", "c"]);
});

test("what a tab made and did not send before it was closed, another tab shows and sends", async () => {
  const closed = outboxBefore([later]);
  const open = outboxBefore([], closed.name);
  await open.outbox.drain();
  await closed.outbox.add(entry("a"));
  await expect.poll(() => open.outbox.entries.map((each) => each.clientId)).toEqual(["a"]);
  expect(open.waits.length).toBe(1);
  open.retryNow();
  await settled(open.outbox, 0);
  expect(open.sent).toEqual(["a"]);
  await settled(closed.outbox, 0);
});
