/** Adapters as a script trains them: sft, dpo and grpo with --lora, interrupted by --steps and resumed, and what opens such a run. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fathom, fathomJson } from "./command.js";
import { hashesOf, newestHashes, reproducible } from "./runs.js";
import { smallBase, writeLines } from "./smallBase.js";

let folder = "";
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  const { folder: made, pairs } = await smallBase("lora");
  folder = made;
  const told = pairs.map(({ prompt, chosen }) => ({ prompt, completion: chosen }));
  writeLines(at("told.jsonl"), told);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const common = ["--threads", "1", "--dtype", "float32", "--learning-rate", "1e-2"];
const flags = (run: string, data: string): string[] => [
  ...[
    "--model",
    at("base"),
    "--out",
    at(run),
    "--data",
    at(data),
    "--plain-as",
    "chat",
    "--epochs",
    "2",
    "--batch",
    "8",
  ],
  ...["--validation-fraction", "0.2", "--validate-every", "2", "--samples", "1", ...common],
];
const lora = ["--lora", "--lora-rank", "4", "--lora-dropout", "0.1", "--weights", "fp8"];

test.each([
  ["sft", "told.jsonl"],
  ["dpo", "pairs.jsonl"],
])(
  "%s --lora over weights held in FP8 learns, goes on to the bit, and leaves the base alone",
  async (command, data) => {
    const before = hashesOf(at("base"));
    const whole = await fathomJson([command, ...flags(`${command}-whole`, data), ...lora]);
    expect(whole).toMatchObject({ reason: "finished" });
    await fathomJson([command, ...flags(`${command}-parts`, data), ...lora, "--steps", "3"]);
    const resumed = await fathomJson([command, "--out", at(`${command}-parts`), "--resume", "--steps", "1000"]);
    expect(resumed).toMatchObject({ steps: whole.steps, tokens: whole.tokens });
    // A run that --steps ends is validated there too.
    const steps = (run: string): object[] => reproducible(at(run)).filter(({ kind }) => kind === "step");
    expect(steps(`${command}-parts`)).toEqual(steps(`${command}-whole`));
    expect(newestHashes(at(`${command}-parts`))).toEqual(newestHashes(at(`${command}-whole`)));
    expect(hashesOf(at("base"))).toEqual(before);
    const checkpoint = at(`${command}-whole/checkpoints/latest`);
    expect(existsSync(join(checkpoint, "model.safetensors"))).toBe(false);
    expect(existsSync(at(`${command}-whole/checkpoints/best`))).toBe(true);
    const config = JSON.parse(readFileSync(join(checkpoint, "adapter_config.json"), "utf8"));
    expect(config).toMatchObject({ r: 4, lora_alpha: 8, lora_dropout: 0.1 });
    const record = JSON.parse(readFileSync(at(`${command}-whole/run.json`), "utf8"));
    expect(record).toMatchObject({ stage: command, settings: { adapter: { r: 4, weights: "float8_e4m3fn" } } });
  },
);

test("generate, score, sft and convert --merge take the run; merged, it writes what it wrote unmerged", async () => {
  const prompt = ["--prompt", "3+", "--temperature", "0", "--max-tokens", "12", "--dtype", "float32"];
  const run = at("sft-plain");
  await fathomJson(["sft", ...flags("sft-plain", "told.jsonl"), "--lora", "--lora-rank", "4"]);
  const unmerged = await fathomJson(["generate", "--model", run, ...prompt]);
  const base = await fathomJson(["generate", "--model", at("base"), ...prompt]);
  expect(unmerged.text).not.toBe(base.text);
  await fathomJson(["convert", "--model", at("base"), "--merge", run, "--out", at("merged")]);
  expect((await fathomJson(["generate", "--model", at("merged"), ...prompt])).text).toBe(unmerged.text);
  const further = await fathom(["sft", ...flags("further", "told.jsonl"), "--model", run, "--lora", "--steps", "1"]);
  expect(further.code, further.stderr).toBe(0);
  expect(further.stderr).toMatch(/sft: [\d,]+ parameters .* more in the adapter, which alone are trained/);
});

test("grpo --lora asks its questions of the adapted model and goes on to the bit", async () => {
  const ask = (run: string): string[] => [
    ...["grpo", "--model", at("base"), "--out", at(run), "--problems", "add-subtract", "--plain", "--prompts", "2"],
    ...["--group", "4", "--max-new-tokens", "4", "--eval-problems", "2", "--zero-variance", "keep", ...lora, ...common],
  ];
  await fathomJson([...ask("grpo-whole"), "--steps", "3"]);
  await fathomJson([...ask("grpo-parts"), "--steps", "3", "--save-every", "2"]);
  rmSync(at("grpo-parts/checkpoints/step-00000003"), { recursive: true });
  await fathomJson(["grpo", "--out", at("grpo-parts"), "--resume"]);
  const { "adapter_model.safetensors": whole } = newestHashes(at("grpo-whole"));
  expect(newestHashes(at("grpo-parts"))["adapter_model.safetensors"]).toBe(whole);
});

test.each([
  [["sft", "--lora-rank", "4"], "--lora-rank is for an adapter: give --lora too, or leave it out"],
  [["sft", "--weights", "int8"], "--weights is for an adapter"],
  [["sft", "--lora", "--dtype", "fp8"], "--dtype fp8 trains the weights, which --lora freezes"],
  [["sft", "--lora", "--gamma", "0.001"], "gamma must be 0, for the routers are frozen"],
  [["sft", "--lora", "--mtp"], "--mtp and --lambda train the MTP modules, which --lora leaves as they are"],
  [["sft", "--lora", "--lora-targets", "gate"], 'target_modules ["gate"] fits no linear of the model'],
])("%j is refused in a line, and no run is left", async ([command = "", ...extra], message) => {
  const { code, stderr } = await fathom([command, ...flags("refused", "told.jsonl"), ...extra]);
  expect(stderr).toContain(message);
  expect(stderr.trimEnd().split("\n").at(-1)).toMatch(/^fathom: /);
  expect(code).toBe(1);
  expect(existsSync(at("refused"))).toBe(false);
});

test("an adapter as the model of what trains weights, or of a policy with a reference, is told to be merged", async () => {
  const run = at("sft-plain");
  const refused = async (args: readonly string[], message: string): Promise<void> => {
    const { code, stderr } = await fathom([...args, "--model", run, "--out", at("refused")]);
    expect(stderr).toContain(message);
    expect(code).toBe(1);
  };
  const whole =
    "an adapter, where reward trains the weights: fathom convert --merge makes a model of it and its base\n";
  await refused(["reward", "--data", at("pairs.jsonl"), "--plain-as", "chat"], whole);
  await refused(["sft", "--data", at("told.jsonl")], "and with --lora the adapter goes on being trained");
  await refused(["sft", "--data", at("told.jsonl"), "--lora", "--rslora"], "leave --rslora out");
  await refused(["grpo", "--problems", "add-subtract", "--lora"], "the reference would be the model without it");
  writeFileSync(at("asked.jsonl"), '{"prompt":"1+1?"}');
  const judged = ["grpo", "--data", at("asked.jsonl"), "--reward", `model:${run}`];
  const { code, stderr } = await fathom([...judged, "--model", at("base"), "--out", at("refused")]);
  expect(stderr).toContain("an adapter, where the weights themselves are wanted");
  expect(code).toBe(1);
});
