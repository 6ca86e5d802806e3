/** `fathom reward` and `fathom dpo` as a script runs them: on pairs of a file, interrupted by --steps and resumed. */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fathom, fathomJson } from "./command.js";
import { newestHashes, reproducible } from "./runs.js";
import { smallBase, writeLines } from "./smallBase.js";

let folder = "";
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  const { folder: made, pairs } = await smallBase("preference");
  folder = made;
  const judged = pairs.map(({ prompt, chosen }, i) => ({ prompt, completion: chosen, label: i % 2 === 0 }));
  writeLines(at("judged.jsonl"), judged);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const flags = (run: string): string[] => [
  ...["--model", at("base"), "--out", at(run), "--data", at("pairs.jsonl"), "--plain-as", "chat", "--epochs", "2"],
  ...["--batch", "8", "--learning-rate", "1e-3", "--validation-fraction", "0.2", "--validate-every", "2"],
  ...["--threads", "1", "--dtype", "float32"],
];

test.each(["reward", "dpo"])("%s learns from pairs, goes on to the bit, and says how it did", async (command) => {
  const extra = command === "dpo" ? ["--samples", "1", "--beta", "0.5"] : ["--centring", "0.01"];
  const whole = await fathomJson([command, ...flags(`${command}-whole`), ...extra]);
  expect(whole).toMatchObject({ reason: "finished", data: { records: 48, sequences: 96 } });
  const held = whole.heldOut as { count: number; rewards: { accuracy: number } };
  expect(held.count).toBeGreaterThan(4);
  expect(held.rewards.accuracy).toBeGreaterThanOrEqual(0);
  await fathomJson([command, ...flags(`${command}-parts`), ...extra, "--steps", "3"]);
  const resumed = await fathomJson([command, "--out", at(`${command}-parts`), "--resume", "--steps", "1000"]);
  expect(resumed).toMatchObject({ steps: whole.steps, tokens: whole.tokens });
  // A run that --steps ends is validated there too.
  const steps = (run: string): object[] => reproducible(at(run)).filter(({ kind }) => kind === "step");
  expect(steps(`${command}-parts`)).toEqual(steps(`${command}-whole`));
  expect(newestHashes(at(`${command}-parts`))).toEqual(newestHashes(at(`${command}-whole`)));
  const record = JSON.parse(readFileSync(at(`${command}-whole/run.json`), "utf8"));
  expect(record).toMatchObject({ stage: command, base: at("base"), records: [{ path: at("pairs.jsonl") }] });
});

test("reward takes answers with labels beside pairs, and prints its calibration", async () => {
  const { code, stdout, stderr } = await fathom([
    ...["reward", ...flags("mixed"), "--data", at("judged.jsonl"), "--bias"],
  ]);
  expect(code, stderr).toBe(0);
  expect(stdout).toContain("calibration error");
  expect(stdout).toMatch(/0\.95-1\.00/);
  expect(stderr).toContain("data: 96 records");
});

test("mistakes are one line", async () => {
  const refused = async (...words: readonly string[]): Promise<string> => {
    const { code, stderr } = await fathom(words);
    expect(code).toBe(1);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    return stderr;
  };
  expect(await refused("dpo", "--model", at("base"), "--out", at("none"))).toContain("--data FILE");
  expect(await refused("dpo", "--model", at("base"), "--out", at("none"), "--data", at("judged.jsonl"))).toContain(
    "row 1: expected a record of kind preference, got unpaired",
  );
  expect(await refused("reward", "--out", at("dpo-whole"), "--resume")).toContain("a run of dpo; reward cannot go on");
});
