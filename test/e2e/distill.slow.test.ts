/** `fathom distill` as a script runs it: killed and interrupted while it samples, the examples of its help, and a whole run of a tiny model. */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildTokenizerConfig, buildTokenizerJson } from "../../src/tokenizer/newTokenizer.js";
import { Tokenizer } from "../../src/tokenizer/tokenizer.js";
import { ChatServer } from "../distill/chatServer.js";
import { plantRight } from "../distill/plantRight.js";
import { endAll, fathom, fathomJson, smallConfig, start } from "./command.js";
import { examplesOfHelp, wordsOf } from "./printed.js";

let folder = "";
const at = (...names: readonly string[]): string => join(folder, ...names);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fathom-distill-"));
  const tokenizer = Tokenizer.fromJson(buildTokenizerJson([]), buildTokenizerConfig());
  const config = { ...smallConfig, vocab_size: tokenizer.vocabSize, max_position_embeddings: 512 };
  writeFileSync(at("config.json"), JSON.stringify(config));
  await fathomJson(["init", at("config.json"), "--out", at("runs", "quickstart"), "--seed", "2"]);
  tokenizer.save(at("runs", "quickstart"));
});
afterAll(() => {
  endAll();
  rmSync(folder, { recursive: true, force: true });
});

const prompts = ["--family", "add-subtract", "--count", "40", "--plain"];

async function lines(path: string): Promise<number> {
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").length - 1 : 0;
}

test.each([
  ["SIGKILL", null],
  ["SIGINT", 130],
] as const)(
  "%s while it samples loses nothing, and the same command goes on to the same bytes",
  async (signal, code) => {
    const [whole, stopped] = [at(`whole-${signal}`), at(`stopped-${signal}`)];
    for (const directory of [whole, stopped]) await fathomJson(["distill", "prompts", directory, ...prompts]);
    await using server = await ChatServer.start(({ messages, seed }) => `${messages.at(-1)?.content} ${seed}`, 15);
    const sample = (directory: string): string[] => [
      ...["distill", "sample", directory, "--model", server.url, "--samples", "4", "--concurrency", "4"],
    ];
    await fathomJson(sample(whole));
    const path = join(stopped, "candidates.jsonl");
    const { child, done } = start(sample(stopped));
    while ((await lines(path)) < 40) await wait(5);
    child.kill(signal);
    const ran = await done;
    expect(ran.code).toBe(code);
    const kept = await lines(path);
    expect(kept).toBeGreaterThanOrEqual(40);
    expect(kept).toBeLessThan(160);
    const before = server.asked.length;
    expect(await fathomJson(sample(stopped))).toMatchObject({ done: 160, wanted: 160 });
    expect(server.asked.length - before).toBeLessThanOrEqual(160 - kept);
    expect(readFileSync(path).equals(readFileSync(join(whole, "candidates.jsonl")))).toBe(true);
    expect(readdirSync(stopped).toSorted()).toEqual(readdirSync(whole).toSorted());
  },
);

test("the examples of the help run one after the other as they are printed", async () => {
  const ran: string[] = [];
  for (const step of [
    "prompts",
    "forms",
    "sample",
    "score",
    "select",
    "pairs",
    "generate-chat",
    "review",
    "mix",
    "report",
  ]) {
    const { stdout } = await fathom(["distill", step, "--help"]);
    for (const example of examplesOfHelp(stdout)) {
      const words = wordsOf(example);
      // Endpoints are not here, a review needs a terminal, and fine-tuning has its own tests.
      const isLeftOut = words.some((word) => word.startsWith("http:")) || ["sft", "reward"].includes(words[1] ?? "");
      if (isLeftOut || example === "fathom distill review distilled") continue;
      // An untrained model has nothing right to select.
      if (words[2] === "score") plantRight(at("distilled"));
      const { code, stderr } = await fathom(words.slice(1), { cwd: folder });
      expect(code, `${example}: ${stderr}`).toBe(0);
      ran.push(words.slice(1, 3).join(" "));
    }
  }
  expect(ran).toEqual([
    ...["distill prompts", "distill forms", "distill sample", "distill score", "distill select", "distill pairs"],
    ...["data generate", "distill generate-chat", "distill review", "distill mix", "distill report"],
  ]);
});

test("a run of all steps is interrupted, goes on, and ends with a student; with other options it is refused", async () => {
  const directory = at("run");
  const flags = [
    ...["distill", "run", directory, "--model", at("runs", "quickstart"), ...prompts, "--level", "1"],
    ...["--learning-rate", "0.01", "--epochs", "2", "--batch", "8", "--length", "512", "--rl-steps", "2"],
    ...["--rl-prompts", "2", "--group", "2", "--max-new-tokens", "24", "--samples", "2", "--eval-problems", "4"],
    ...["--threads", "1"],
  ];
  const { child, done } = start(flags);
  const metrics = join(directory, "expert", "metrics.jsonl");
  while ((await lines(metrics)) < 4) await wait(20);
  child.kill("SIGINT");
  expect((await done).code).toBe(130);
  const state = JSON.parse(readFileSync(join(directory, "distill.json"), "utf8")) as { finished: string[] };
  expect(state.finished).toEqual([]);
  const refused = await fathom(["distill", "run", directory, "--samples", "3"]);
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.stderr).toContain("--samples is 3, at the beginning it was 2; begin in another directory");
  const before = readFileSync(join(directory, "forms.jsonl"));
  // An expert this small answers nothing rightly; what a better one would have given is put among its answers.
  const stopped = await fathom(["distill", "run", directory], { maxSeconds: 600 });
  expect(stopped.stderr).toContain("nothing to mix");
  expect(JSON.parse(readFileSync(join(directory, "distill.json"), "utf8"))).toMatchObject({
    finished: ["expert", "policy"],
  });
  plantRight(directory);
  await fathomJson(["distill", "score", directory, "--again"]);
  const result = await fathomJson(["distill", "run", directory], { maxSeconds: 600 });
  expect(result).toMatchObject({
    finished: ["expert", "policy", "student"],
    report: { selection: { domains: { math: {} } } },
  });
  const accuracy = result.accuracy as Readonly<Record<string, object>>;
  expect(Object.keys(accuracy)).toEqual(["expert", "expertReflecting", "policy", "policyReflecting", "student"]);
  // What reinforcement learning measured at its end, in the process that trained.
  const events = readFileSync(join(directory, "expert-rl", "metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n");
  const evaluations = events.map((line) => JSON.parse(line) as { kind: string; figures: object });
  expect(accuracy.policy).toEqual(evaluations.findLast(({ kind }) => kind === "evaluation")?.figures);
  expect(readFileSync(join(directory, "forms.jsonl")).equals(before)).toBe(true);
  expect(existsSync(join(directory, "report.html"))).toBe(true);
  // Nothing is done twice.
  const again = await fathom(["distill", "run", directory], { maxSeconds: 600 });
  expect(again.code).toBe(0);
  expect(again.stderr).not.toContain("--- student");
  cpSync(join(directory, "student", "checkpoints", "latest"), at("copied"), { recursive: true, dereference: true });
  expect(existsSync(at("copied", "model.safetensors"))).toBe(true);
});
