import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Script, ScriptedExpert } from "../../../test/distill/scriptedExpert.js";
import { sampleSeed } from "../ask/expert.js";
import type { Candidate, DistillPrompt } from "./records.js";
import { candidateId, type SampleOptions, type SampleResult, sampleCandidates, sampleTasks } from "./sample.js";

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-sample-"));
  path = join(folder, "candidates.jsonl");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const prompts: DistillPrompt[] = ["a", "b", "c"].map((id) => ({
  id,
  domain: "math",
  prompt: `${id}?`,
  source: "test",
  license: "MIT",
}));
const options: SampleOptions = { temperature: 1, topP: 0.9, maxTokens: 32, seed: 1 };
const write: Script["write"] = ({ messages, seed }) => `${messages.at(-1)?.content} ${seed}`;
const never = new AbortController().signal;

function sample(
  expert: ScriptedExpert,
  n = 2,
  changes: Partial<SampleOptions> = {},
  system: string | null = null,
  signal = never,
): Promise<SampleResult> {
  return sampleCandidates(path, sampleTasks(prompts, n, system), expert, { ...options, ...changes }, signal);
}

const lines = (): Candidate[] =>
  readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Candidate);

test("many answers at once are no leak, though each listens for the end", async () => {
  const warned: Error[] = [];
  const onWarning = (warning: Error): unknown => warned.push(warning);
  process.on("warning", onWarning);
  try {
    const expert = new ScriptedExpert({ write, delay: () => 1 }, 60);
    expect(await sample(expert, 20)).toMatchObject({ done: 60 });
    expect(expert.mostRunning).toBe(60);
    await new Promise(setImmediate);
    expect(warned).toEqual([]);
  } finally {
    process.off("warning", onWarning);
  }
});

test("each sample has its own seed, and what it was asked is in its record", async () => {
  const expert = new ScriptedExpert({ write });
  expect(await sample(expert, 2, {}, "Think.")).toMatchObject({ done: 6, wanted: 6, written: 6, isStopped: false });
  expect(lines().map(({ prompt_id, sample_index }) => `${prompt_id}${sample_index}`)).toEqual([
    ...["a0", "a1", "b0", "b1", "c0", "c1"],
  ]);
  const seed = sampleSeed(1, "b", 1);
  expect(seed).toBe(sampleSeed(1, "b", 0) + 1);
  expect(lines()[3]).toEqual({
    id: candidateId("b", 1, "scripted", seed),
    prompt_id: "b",
    sample_index: 1,
    model: "scripted",
    system: "Think.",
    temperature: 1,
    seed,
    completion: `b? ${seed}`,
    finish_reason: "stop",
    token_count: `b? ${seed}`.length,
    reward: {},
    correct: null,
  });
  expect(expert.asked[3]).toEqual({
    name: "prompt b, sample 1",
    messages: [
      { role: "system", content: "Think." },
      { role: "user", content: "b?" },
    ],
    temperature: 1,
    topP: 0.9,
    maxTokens: 32,
    seed,
  });
  expect(new Set(lines().map((each) => each.seed)).size).toBe(6);
});

test("no more are asked at once than the expert takes, and the order of the file is that of the prompts", async () => {
  const expert = new ScriptedExpert({ write, delay: (n) => (n % 2 === 0 ? 12 : 1) }, 3);
  await sample(expert, 4);
  expect(expert.mostRunning).toBe(3);
  expect(lines().map(({ sample_index }) => sample_index)).toEqual([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]);
});

test("an expert that fails at any question stops with what is there kept, and the rerun ends with the same bytes", async () => {
  await sample(new ScriptedExpert({ write }));
  const whole = readFileSync(path);
  for (let failAt = 0; failAt < 6; failAt++) {
    rmSync(path);
    let answered = 0;
    const counting: Script["write"] = (question) => {
      answered++;
      return write(question);
    };
    // Those behind the one that fails are answered sooner.
    const failing = new ScriptedExpert({ write: counting, failAt, delay: (n) => (n === failAt ? 15 : 0) }, 3);
    await expect(sample(failing)).rejects.toThrow(
      /sample \d: the script ends\n\d of 6 answers are kept in .*; the same command goes on from there/,
    );
    const expert = new ScriptedExpert({ write }, 3);
    expect(await sample(expert)).toMatchObject({ done: 6 });
    expect(expert.asked.length, `failing at ${failAt}`).toBe(6 - answered);
    expect(readFileSync(path).equals(whole)).toBe(true);
  }
});

test("a file torn at any place goes on to the same bytes, and asks only for what is missing", async () => {
  await sample(new ScriptedExpert({ write }));
  const whole = readFileSync(path);
  const ends = [...whole.keys()].filter((at) => whole[at] === 10);
  for (let kept = 0; kept <= whole.length; kept += 41) {
    writeFileSync(path, whole.subarray(0, kept));
    const expert = new ScriptedExpert({ write });
    await sample(expert);
    // A line that lacks only its end is whole.
    expect(expert.asked.length).toBe(6 - ends.filter((end) => end <= kept).length);
    expect(readFileSync(path).equals(whole), `${kept} bytes`).toBe(true);
  }
});

test("more samples are added behind those that are there", async () => {
  await sample(new ScriptedExpert({ write }), 1);
  const before = readFileSync(path, "utf8");
  const expert = new ScriptedExpert({ write });
  expect(await sample(expert, 3)).toMatchObject({ done: 9, wanted: 9, written: 6 });
  expect(expert.asked.map(({ name }) => name)).toEqual(
    ["a", "b", "c"].flatMap((id) => [1, 2].map((n) => `prompt ${id}, sample ${n}`)),
  );
  expect(readFileSync(path, "utf8").startsWith(before)).toBe(true);
});

test("a signal stops it with what is there kept", async () => {
  const stop = new AbortController();
  const expert = new ScriptedExpert(
    {
      write: (question) => {
        if (question.name === "prompt b, sample 0") stop.abort();
        return write(question);
      },
    },
    1,
  );
  expect(await sample(expert, 2, {}, null, stop.signal)).toMatchObject({ done: 3, wanted: 6, isStopped: true });
  expect(lines().length).toBe(3);
  expect(await sample(new ScriptedExpert({ write }))).toMatchObject({ done: 6, written: 3, isStopped: false });
});

test("what was asked in another way under the same seed is not taken for the same, nor mixed in", async () => {
  await sample(new ScriptedExpert({ write }));
  await expect(sample(new ScriptedExpert({ write }), 2, { temperature: 0.6 })).rejects.toThrow(
    /candidates\.jsonl:1: scripted was asked this with temperature 1, not 0\.6; another --seed keeps the two apart/,
  );
  await expect(sample(new ScriptedExpert({ write }), 2, {}, "Think.")).rejects.toThrow(/with another system prompt/);
  expect(await sample(new ScriptedExpert({ write }), 2, { temperature: 0.6, seed: 2 })).toMatchObject({ written: 6 });
});

test("several samples at temperature 0 are refused", async () => {
  await expect(sample(new ScriptedExpert({ write }), 2, { temperature: 0 })).rejects.toThrow(
    /writes the same each time/,
  );
  expect(await sample(new ScriptedExpert({ write }), 1, { temperature: 0 })).toMatchObject({ done: 3 });
});
