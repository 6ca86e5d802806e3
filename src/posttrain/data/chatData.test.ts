import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { buildTokenizerConfig, buildTokenizerJson } from "../../tokenizer/newTokenizer.js";
import { Tokenizer } from "../../tokenizer/tokenizer.js";
import {
  type ChatDataOptions,
  loadJudged,
  loadPairs,
  loadPreferences,
  loadPrompts,
  loadSequences,
  loadSteps,
} from "./chatData.js";
import { fitSequence } from "./sequences.js";

/** No merges: an ASCII character is a token; a conversation of one round has 4 tokens beside its texts. */
const tokenizer = Tokenizer.fromJson(buildTokenizerJson([]), buildTokenizerConfig());

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-chat-data-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function options(rows: readonly object[], changes: Partial<ChatDataOptions> = {}): ChatDataOptions {
  const path = join(folder, "a.jsonl");
  writeFileSync(path, rows.map((row) => JSON.stringify(row)).join("\n"));
  return { paths: [path], tokenizer, maxLength: null, overlong: "truncate", ...changes };
}

const round = (question: string, answer: string, weight = 1): object => ({
  messages: [
    { role: "user", content: question },
    { role: "assistant", content: answer, weight },
  ],
});

test("records become sequences with their counts", async () => {
  const { sequences, keys, report } = await loadSequences(
    options([round("abc", "de"), round("a<｜User｜>", "f")]),
  ).then(({ items, ...rest }) => ({ sequences: items, ...rest }));
  expect(sequences.map(({ ids, record }) => [ids.length, record])).toEqual([
    [9, 0],
    [4 + 1 + Buffer.byteLength("<｜User｜>") + 1, 1],
  ]);
  expect(new Set(keys).size).toBe(2);
  expect(report).toMatchObject({
    records: 2,
    sequences: 2,
    targets: 3 + 2,
    truncated: 0,
    dropped: { overlong: 0, lostTargets: 0 },
    skippedTurns: 0,
    spellingTokens: 1,
  });
});

test("a sequence over the limit loses its right side, or is dropped; one that loses all targets is dropped; all are counted", async () => {
  const rows = [round("abc", "de"), round("a", "bcdefghi"), round("abcdefgh", "i")];
  const cut = await loadSequences(options(rows, { maxLength: 9 }));
  expect(cut.items.map(({ ids, isTarget, record }) => [record, ids.length, isTarget.join("")])).toEqual([
    [0, 9, "000000111"],
    [1, 9, "000011111"],
  ]);
  expect(cut.report).toMatchObject({
    records: 3,
    sequences: 2,
    tokens: 18,
    truncated: 1,
    dropped: { overlong: 0, lostTargets: 1 },
  });
  const dropped = await loadSequences(options(rows, { maxLength: 9, overlong: "drop" }));
  expect(dropped.report).toMatchObject({ sequences: 1, truncated: 0, dropped: { overlong: 2, lostTargets: 0 } });
  await expect(loadSequences(options(rows.slice(2), { maxLength: 9 }))).rejects.toThrow(
    "nothing is left of 1 records: 0 too long, 1 without a target within 9 tokens",
  );
  expect(() => fitSequence({ ids: Int32Array.of(1), isTarget: Uint8Array.of(0) }, 1, "drop")).toThrow(
    "expected 2 tokens or more, got 1",
  );
});

test("records without a token to learn from are an error with their number", async () => {
  const given = options([round("a", "b"), round("c", "d", 0), round("e", "f", 0)]);
  await expect(loadSequences(given)).rejects.toThrow(
    `2 of 3 records have no token to learn from, the first ${given.paths[0]}: row 2; expected an answer with weight 1 in each`,
  );
});

test("a record of another kind and a bad row end the loading", async () => {
  const pair = { prompt: "a", chosen: "b", rejected: "c" };
  const given = options([pair]);
  await expect(loadSequences(given)).rejects.toThrow(
    `${given.paths[0]}: row 1: expected a record of kind chat, got preference`,
  );
  await expect(loadPairs(options([pair, { ...pair, chosen: 1 }]))).rejects.toThrow(
    "row 2: chosen: expected a text, got 1",
  );
});

test("pairs, verdicts, steps and prompts that are too long are dropped whole", async () => {
  const long = "x".repeat(20);
  const limit = { maxLength: 12 };
  const pairs = await loadPairs(
    options(
      [
        { prompt: "a", chosen: "b", rejected: "cd" },
        { prompt: "a", chosen: "b", rejected: long },
      ],
      limit,
    ),
  );
  expect(pairs.items.map(({ record, chosen, rejected }) => [record, chosen.ids.length, rejected.ids.length])).toEqual([
    [0, 4, 5],
  ]);
  expect(pairs.report).toMatchObject({ records: 2, sequences: 2, tokens: 9, targets: 5, dropped: { overlong: 1 } });
  const judged = await loadJudged(options([{ prompt: "a", completion: "b", label: true }], limit));
  expect(judged.items[0]).toMatchObject({ record: 0, isDesirable: true, promptLength: 2 });
  const steps = await loadSteps(
    options(
      [
        { prompt: long, completions: ["b"], labels: [true] },
        { prompt: "a", completions: ["b", "c"], labels: [true, false] },
      ],
      limit,
    ),
  );
  expect(steps.items).toHaveLength(1);
  expect(steps.items[0]).toMatchObject({ record: 1, areRight: [true, false] });
  const prompts = await loadPrompts(
    options(
      [
        { prompt: "a", answer: 7 },
        { prompt: long, answer: 8 },
      ],
      limit,
    ),
  );
  expect(prompts.items.map(({ source, ids }) => [source.columns, ids.length])).toEqual([[{ answer: 7 }, 2]]);
});

test("preferences are pairs, with the margin of their row, and verdicts, file by file", async () => {
  const pair = { prompt: "a", chosen: "b", rejected: "cd" };
  const given = options([pair, { ...pair, margin: 0.5 }]);
  const judged = join(folder, "judged.jsonl");
  writeFileSync(judged, JSON.stringify({ prompt: "a", completion: "b", label: false }));
  const { items, report } = await loadPreferences({ ...given, paths: [...given.paths, judged] });
  expect(items).toMatchObject([
    { record: 0, margin: null, chosen: { promptLength: 2 } },
    { record: 1, margin: 0.5 },
    { record: 2, isDesirable: false },
  ]);
  expect(report).toMatchObject({ records: 3, sequences: 5 });
  const odd = options([{ ...pair, margin: "wide" }]);
  await expect(loadPreferences(odd)).rejects.toThrow('row 1: margin: expected a number, got "wide"');
  expect((await loadPairs(odd)).items).toHaveLength(1); // DPO has no margins, so the column is as good as any other.
  await expect(loadPreferences(options([round("a", "b")]))).rejects.toThrow(
    "expected a record of kind preference or unpaired, got chat",
  );
});
