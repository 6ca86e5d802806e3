import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ScriptedExpert } from "../../../test/distill/scriptedExpert.js";
import type { Question } from "../ask/expert.js";
import { defaultRecordOptions, readRecords } from "../data/readRecords.js";
import type { DataRecord } from "../data/records.js";
import type { RewardSample } from "../reward/reward.js";
import { Judge } from "./judge.js";
import { figuresBy, judgeFigures } from "./judgeFigures.js";
import { judgeRecords, readJudged, writePreferred } from "./judgeRecords.js";
import { judgeReward } from "./judgeReward.js";

const { signal } = new AbortController();
let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-judge-"));
  path = join(folder, "judged.jsonl");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function recordsOf(rows: readonly object[]): Promise<DataRecord[]> {
  const file = join(folder, "rows.jsonl");
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const records: DataRecord[] = [];
  for await (const record of readRecords([file], { ...defaultRecordOptions, plainAs: "chat" })) records.push(record);
  return records;
}

const optionsOf = (votes: number, changes: object = {}): Parameters<typeof judgeRecords>[2] => ({
  ...{ path, referenceColumn: null, judgedBy: { model: "scripted", votes, seed: 1 }, atOnce: 3 },
  ...changes,
});

/** Prefers the answer with the larger number, scores an answer by its own. */
function writeByNumber({ messages }: Question): string {
  const numbers = [...(messages[0]?.content ?? "").matchAll(/--- answer.*---\n.*?(\d+)/g)].map(([, n]) => Number(n));
  const [a = 0, b] = numbers;
  if (b === undefined) return `It says ${a}.\nScore: ${a}`;
  return a === b ? "I cannot tell." : `I like ${Math.max(a, b)}.\n[[${a > b ? "A" : "B"}]]`;
}

const byNumber = (): ScriptedExpert => new ScriptedExpert({ write: writeByNumber });

const pairs = [
  { prompt: "p1", chosen: "say 5", rejected: "say 3", kind: "easy" },
  { prompt: "p2", chosen: "say 1", rejected: "say 2", kind: "hard" },
  { prompt: "p3", chosen: "say 4", rejected: "so 4", kind: "hard" },
];

test("pairs are judged in their order, with reasons; figures tell agreement by category", async () => {
  const records = await recordsOf(pairs);
  expect(await judgeRecords(records, new Judge(byNumber(), { votes: 2 }), optionsOf(2), signal)).toBe(false);
  const judged = await readJudged(path, records);
  expect(judged.map(({ id, judge }) => [/:(\d)#\w{8}$/.exec(id)?.[1], judge.mean])).toEqual([
    ["1", 0],
    ["2", 1],
    ["3", null],
  ]);
  expect(judged[0]).toMatchObject({
    prompt: [{ role: "user", content: "p1" }],
    chosen: [{ role: "assistant", content: "say 5" }],
    columns: { kind: "easy" },
    judge: { model: "scripted", seed: 1, votes: [{ verdict: 0, text: expect.stringContaining("I like 5.") }, {}] },
  });
  expect(existsSync(join(folder, "judged.ahead.jsonl"))).toBe(false);
  const { records: count, unread, pairs: figures, answers } = judgeFigures(judged);
  expect([count, unread, answers]).toEqual([3, 1, null]);
  expect(figures).toMatchObject({ count: 3, agreement: 0.5, divided: 0 });
  // Wins 1 and 0: variance 1/2 over two.
  expect(figures?.standardError).toBeCloseTo(0.5, 12);
  const by = figuresBy(judged, "kind");
  expect([by.easy?.pairs?.agreement, by.hard?.pairs?.agreement]).toEqual([1, 0]);
  expect(() => figuresBy(judged, "level")).toThrow("no column level to tell figures by; its columns are: kind");
});

test("pairs as the judge orders them are records to learn from; those it is divided on are left out", async () => {
  const records = await recordsOf(pairs);
  await judgeRecords(records, new Judge(byNumber()), optionsOf(1), signal);
  const target = join(folder, "preferred.jsonl");
  const judged = await readJudged(path, records);
  expect(writePreferred(target, judged, 0.5)).toBe(2);
  const [, second] = readFileSync(target, "utf8").split("\n");
  expect(JSON.parse(second ?? "")).toEqual({
    prompt: [{ role: "user", content: "p2" }],
    chosen: [{ role: "assistant", content: "say 2" }],
    rejected: [{ role: "assistant", content: "say 1" }],
    kind: "hard",
    judge_share: 1,
    reasons: [expect.stringContaining("I like 2.")],
  });
  for await (const record of readRecords([target], defaultRecordOptions)) expect(record.kind).toBe("preference");
  const half = judged.map((one) => ({ ...one, judge: { ...one.judge, mean: 0.4 } }));
  expect(writePreferred(target, half, 0.5)).toBe(0);
  expect(writePreferred(target, half, 0.2)).toBe(3);
});

test("answers are scored, by a reference where the row has one, and scores put good above bad ones", async () => {
  const expert = byNumber();
  const records = await recordsOf([
    { prompt: "2 + 2?", completion: "<think>9</think>say 8", label: true, answer: "it is #### 4" },
    { prompt: "2 + 3?", completion: "say 3", label: false, answer: "5" },
    { prompt: "2 + 4?", completion: "say 8", label: false, answer: "6" },
  ]);
  await judgeRecords(records, new Judge(expert), optionsOf(1), signal);
  expect(judgeFigures(await readJudged(path, records)).answers).toEqual({ count: 3, meanScore: 19 / 3, ordered: 0.75 });
  const first = expert.asked.find(({ name }) => name.includes("rows.jsonl:1#"))?.messages[0]?.content ?? "";
  expect(first).toMatch(/reference \w+ ---\n4\n/);
  expect(first).not.toContain("think");
});

test("of a conversation the last answer is judged, the turns before it with their roles", async () => {
  const expert = byNumber();
  const messages = [
    ...[
      ["user", "one"],
      ["assistant", "say 1"],
      ["user", "two"],
      ["assistant", "say 2"],
    ].map(([role, content]) => ({
      role,
      content,
    })),
  ];
  const records = await recordsOf([{ messages }]);
  await judgeRecords(records, new Judge(expert), optionsOf(1), signal);
  const asked = expert.asked[0]?.messages[0]?.content ?? "";
  expect(asked).toMatch(/question \w+ ---\nuser: one\n\nassistant: say 1\n\nuser: two\n---/);
  expect(asked).toMatch(/answer \w+ ---\nsay 2\n/);
  await expect(
    judgeRecords(await recordsOf([{ prompt: "alone" }]), new Judge(expert), optionsOf(1), signal),
  ).rejects.toThrow("rows.jsonl: row 1: expected an answer to judge, got a record of kind prompt");
});

test("what fails leaves what was judged, the next run goes on to the same bytes, and another judge is refused", async () => {
  const records = await recordsOf(pairs);
  const judge = (failAt?: number): Judge => {
    const script = { write: writeByNumber };
    return new Judge(new ScriptedExpert(failAt === undefined ? script : { ...script, failAt }));
  };
  await expect(judgeRecords(records, judge(1), optionsOf(1, { atOnce: 1 }), signal)).rejects.toThrow(
    /judge of .*rows\.jsonl:2#\w+: the script ends/,
  );
  expect(await readJudged(path, records)).toHaveLength(1);
  await judgeRecords(records, judge(), optionsOf(1), signal);
  const resumed = readFileSync(path, "utf8");
  rmSync(path);
  await judgeRecords(records, judge(), optionsOf(1, { atOnce: 1 }), signal);
  expect(readFileSync(path, "utf8")).toBe(resumed);
  await expect(judgeRecords(records, judge(), optionsOf(2), signal)).rejects.toThrow(
    "judged by scripted, 1 votes, seed 1; now it would be scripted, 2 votes, seed 1: give another --out",
  );
  writeFileSync(path, '{"id": "x"}\n');
  await expect(judgeRecords(records, judge(), optionsOf(1), signal)).rejects.toThrow(
    "judged.jsonl:1: expected a verdict",
  );
});

test("as a reward: a tenth of the mean score, null where no vote can be read", async () => {
  const sample = (completionText: string, row: object = {}): RewardSample => ({
    ...{ prompt: "<｜User｜>How much?", completionText, completionIds: [1], finishReason: "stop", group: 0 },
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: "How much?" },
    ],
    row: { ...row },
  });
  const expert = byNumber();
  const score = judgeReward(new Judge(expert, { votes: 2 }), null, 2);
  expect(await score([sample("say 7"), sample("say 99"), sample("say 3", { answer: 3 })])).toEqual([0.7, null, 0.3]);
  const asked = expert.asked.map(({ messages }) => messages[0]?.content ?? "");
  expect(asked[0]).toMatch(/question \w+ ---\nHow much\?\n---/);
  expect(asked.find((text) => text.includes("say 3"))).toMatch(/reference \w+ ---\n3\n/);
});
