import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { JsonLog } from "../ask/jsonLog.js";
import { queueChats } from "./chatFiles.js";
import { type Action, decide, type ReviewRecord, readReview, reviewQueue, tallyOf, waitingRecord } from "./review.js";

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-review-"));
  path = join(folder, "review.jsonl");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const at = new Date("2026-03-04T05:06:07.008Z");
const record = (id: string): ReviewRecord =>
  waitingRecord(
    id,
    [
      { role: "user", content: `${id}?` },
      { role: "assistant", content: `${id}!` },
    ],
    "model",
  );

function put(...ids: readonly string[]): void {
  using log = new JsonLog(path);
  log.append(ids.map(record));
}

/** What a person does, one after the other. */
function screen(...actions: readonly Action[]): {
  asked: string[];
  problems: string[];
  ask(r: ReviewRecord): Promise<Action>;
  problem(t: string): void;
} {
  const left = [...actions];
  return {
    asked: [],
    problems: [],
    async ask({ id }) {
      this.asked.push(id);
      return left.shift() ?? { kind: "stop" };
    },
    problem(text) {
      this.problems.push(text);
    },
  };
}

async function review(...actions: readonly Action[]): Promise<ReturnType<typeof screen>> {
  const shown = screen(...actions);
  using log = new JsonLog(path);
  await reviewQueue((await readReview(path)).values(), shown, log, () => at);
  return shown;
}

test("decisions are kept in the records with their time, the original beside what was edited", async () => {
  put("a", "b", "c", "d");
  await review({ kind: "accept" }, { kind: "edit", text: " better\n" }, { kind: "reject" }, { kind: "skip" });
  const records = await readReview(path);
  const time = "2026-03-04T05:06:07.008Z";
  expect(records.get("a")).toEqual({ ...record("a"), needs_review: false, decision: { verdict: "accept", at: time } });
  expect(records.get("b")).toEqual({
    ...record("b"),
    messages: [
      { role: "user", content: "b?" },
      { role: "assistant", content: "better" },
    ],
    needs_review: false,
    decision: { verdict: "edit", at: time, original: "b!" },
  });
  expect(records.get("c")).toMatchObject({ needs_review: false, decision: { verdict: "reject", at: time } });
  expect(records.get("d")).toEqual(record("d"));
  expect([...records.keys()]).toEqual(["a", "b", "c", "d"]);
  expect(tallyOf(records.values())).toEqual({ accepted: 1, edited: 1, rejected: 1, waiting: 1 });
});

test("only what waits is asked for, and each decision is on disk before the next", async () => {
  put("a", "b", "c");
  expect((await review({ kind: "accept" }, { kind: "stop" })).asked).toEqual(["a", "b"]);
  expect(readFileSync(path, "utf8").trimEnd().split("\n").length).toBe(4);
  expect((await review({ kind: "skip" }, { kind: "accept" })).asked).toEqual(["b", "c"]);
  expect((await review()).asked).toEqual(["b"]);
});

test("an edit that is empty or changes nothing is not taken, and the record is asked for again", async () => {
  put("a");
  const shown = await review({ kind: "edit", text: " " }, { kind: "edit", text: "a!\n" }, { kind: "edit", text: "ok" });
  expect(shown.problems).toEqual([
    "record a: the replacement is empty; reject it instead",
    "record a: the replacement changes nothing; accept it instead",
  ]);
  expect((await readReview(path)).get("a")?.messages.at(-1)?.content).toBe("ok");
});

test("a later decision takes the place of an earlier one; what was edited is as it was before", async () => {
  put("a");
  const log = new JsonLog(path);
  const edited = decide(log, record("a"), "edit", at, "better");
  const again = decide(log, edited, "edit", at, "best");
  expect(again.decision).toMatchObject({ verdict: "edit", original: "a!" });
  const accepted = decide(log, again, "accept", at);
  expect(accepted).toEqual({
    ...record("a"),
    needs_review: false,
    decision: { verdict: "accept", at: at.toISOString() },
  });
  log[Symbol.dispose]();
  expect((await readReview(path)).get("a")).toEqual(accepted);
});

test("conversations of files are queued once, without what the queue has no place for", async () => {
  const file = join(folder, "chats.jsonl");
  const [user, assistant] = [
    { role: "user", content: "A?" },
    { role: "assistant", content: "B" },
  ];
  const rows = [
    { messages: [user, assistant] },
    { messages: [{ role: "system", content: "S" }, user, assistant] },
    { messages: [user, assistant] },
    { prompt: "P?", completion: "C" },
    { text: "alone" },
  ];
  const write = (some: readonly object[], name = file): void =>
    writeFileSync(name, some.map((row) => JSON.stringify(row)).join("\n"));
  write(rows.slice(0, 3));
  expect(await queueChats(path, [file])).toEqual({ queued: 2, passed: 0 });
  expect(await queueChats(path, [file])).toEqual({ queued: 0, passed: 0 });
  write(rows.slice(3, 4), join(folder, "b.jsonl"));
  write(rows.slice(4), join(folder, "c.jsonl"));
  expect(await queueChats(path, [join(folder, "b.jsonl"), join(folder, "c.jsonl")])).toEqual({ queued: 1, passed: 1 });
  const records = [...(await readReview(path)).values()];
  expect(records.map(({ messages }) => messages.map(({ role }) => role))).toEqual([
    ["user", "assistant"],
    ["system", "user", "assistant"],
    ["user", "assistant"],
  ]);
  expect(records[2]).toMatchObject({
    messages: [{ content: "P?" }, { content: "C" }],
    needs_review: true,
    decision: null,
  });
});

test("a queue with a line that is no record says where", async () => {
  writeFileSync(path, `${JSON.stringify(record("a"))}\n${JSON.stringify({ ...record("b"), decision: "yes" })}\n`);
  await expect(readReview(path)).rejects.toThrow(/review\.jsonl:2: decision: expected null, or a verdict/);
});
