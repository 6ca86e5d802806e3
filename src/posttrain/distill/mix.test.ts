import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { JsonLog } from "../ask/jsonLog.js";
import { type MixReport, mixRecords } from "./mix.js";
import type { SftRecord } from "./records.js";
import { decide, waitingRecord } from "./review.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-mix-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string): string => join(folder, `${name}.jsonl`);

/** Three records to each of the prompts. */
function putSelected(count: number): string[] {
  const lines = Array.from({ length: count }, (_, i) => {
    const meta = { prompt_id: `p${i % (count / 3)}`, form: "RS", reward: { accuracy: 1 }, length: i };
    return JSON.stringify({
      messages: [
        { role: "user", content: `${i}?` },
        { role: "assistant", content: "!" },
      ],
      meta,
    });
  });
  writeFileSync(file("selected"), `${lines.join("\n")}\n`);
  return lines;
}

function putReviewed(): void {
  using log = new JsonLog(file("review"));
  for (const [id, verdict] of [
    ["a", "accept"],
    ["b", "reject"],
    ["c", "edit"],
    ["d", null],
  ] as const) {
    const messages = [
      { role: "user", content: "Hello?" },
      { role: "assistant", content: id },
    ];
    const record = waitingRecord(id, messages, "m");
    log.append([record]);
    if (verdict) decide(log, record, verdict, new Date(0), verdict === "edit" ? "edited" : null);
  }
}

function mix(seed = 1, validationFraction = 0.25): Promise<MixReport> {
  const [selected, review, training, validation] = ["selected", "review", "sft", "validation"].map(file) as [
    string,
    string,
    string,
    string,
  ];
  return mixRecords({ selected, review }, { training, validation }, { seed, validationFraction });
}

const records = (name: string): SftRecord[] =>
  readFileSync(file(name), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as SftRecord);

test("holds all that was selected and accepted, each once, with the prompts on one side", async () => {
  const lines = putSelected(36);
  putReviewed();
  const report = await mix();
  const [training, validation] = [records("sft"), records("validation")];
  expect(report).toMatchObject({
    training: training.length,
    validation: validation.length,
    byForm: { RS: 36, chat: 2 },
  });
  const all = [...training, ...validation].map((record) => JSON.stringify(record));
  expect(all.filter((line) => line.includes('"RS"')).toSorted()).toEqual(lines.toSorted());
  const chats = [...training, ...validation].filter(({ meta }) => meta.form === "chat");
  expect(chats.map(({ messages }) => messages.at(-1)?.content).toSorted()).toEqual(["a", "edited"]);
  expect(chats[0]?.meta).toMatchObject({ reward: null, length: null });
  const ids = (some: readonly SftRecord[]): string[] => [...new Set(some.map(({ meta }) => meta.prompt_id))];
  // 38 records of 13 prompts; a quarter, 9.5, holds three prompts of 3.
  expect(validation.length).toBe(9);
  expect(ids(training).filter((id) => ids(validation).includes(id))).toEqual([]);
  expect(ids(training).length + ids(validation).length).toBe(13);
});

test("the order is of the seed, and the same for the same", async () => {
  putSelected(36);
  const texts: string[] = [];
  for (const seed of [1, 1, 2]) {
    await mix(seed, 0);
    texts.push(readFileSync(file("sft"), "utf8"));
  }
  expect(texts[1]).toBe(texts[0]);
  expect(texts[2]).not.toBe(texts[0]);
  expect(texts[0]).not.toBe(readFileSync(file("selected"), "utf8"));
  expect(readFileSync(file("validation"), "utf8")).toBe("");
});

test("nothing to mix, or one prompt to split, is an error", async () => {
  await expect(mix()).rejects.toThrow(
    /nothing to mix: no records in .*selected\.jsonl, none accepted in .*review\.jsonl/,
  );
  putSelected(3);
  await expect(mix()).rejects.toThrow(/all 3 records have the same prompt/);
});
