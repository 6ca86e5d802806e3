/**
 * The contract for scripts: with --json every command prints one object on standard output and nothing else, under the keys that are
 * promised; progress goes to standard error. One model of 50,000 parameters is trained once and asked by all tests.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { corpus, fathom, fathomJson, root, smallConfig, vocabSize } from "./command.js";

let folder = "";
let tokenizerDir = "";
let run = "";
let trained: Readonly<Record<string, unknown>> = {};
let trainedTokenizer: Readonly<Record<string, unknown>> = {};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fathom-contract-"));
  tokenizerDir = join(folder, "tokenizer");
  run = join(folder, "run");
  const config = join(folder, "config.json");
  writeFileSync(config, JSON.stringify(smallConfig));
  trainedTokenizer = await fathomJson(
    words("tokenizer train --data", corpus, "--vocab-size", String(vocabSize), "--out", tokenizerDir),
  );
  trained = await fathomJson(
    words("pretrain --config", config, "--data", corpus, "--tokenizer", tokenizerDir, "--out", run).concat(
      words("--steps 6 --batch 4 --save-every 3 --validate-every 3 --seed 3 --threads 2"),
    ),
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Words separated by spaces; paths are given as pieces of their own. */
function words(...pieces: readonly string[]): string[] {
  return pieces.flatMap((piece) => (piece.startsWith("/") ? [piece] : piece.split(" ")));
}

const finite = expect.toSatisfy((value) => typeof value === "number" && Number.isFinite(value));
const count = expect.toSatisfy((value) => Number.isInteger(value) && Number(value) >= 0);
const positive = expect.toSatisfy((value) => typeof value === "number" && value > 0 && Number.isFinite(value));

interface Scores {
  readonly numTokens: number;
  readonly ids: readonly number[];
  readonly logprobs: readonly (number | null)[];
  readonly mtpLogprobs: readonly (readonly (number | null)[])[];
  readonly bitsPerByte: number | null;
}

async function score(...args: readonly string[]): Promise<Scores> {
  return (await fathomJson(["score", "--model", run, ...args])) as unknown as Scores;
}

test("pretrain tells what the run came to, and its metrics carry stage, step and loss", () => {
  expect(trained).toMatchObject({
    run,
    steps: 6,
    tokens: 6 * 4 * 64,
    trainLoss: positive,
    valBitsPerByte: positive,
    tokensPerSecond: positive,
    seconds: positive,
  });
  const lines = readFileSync(join(run, "metrics.jsonl"), "utf8").trimEnd().split("\n");
  const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  for (const event of events) expect(event).toMatchObject({ stage: "pretrain", step: count });
  const steps = events.filter(({ kind }) => kind === "step");
  expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
  for (const event of steps) expect(event).toMatchObject({ loss: positive });
  expect(events.filter((event) => "loss" in event)).toEqual(steps);
});

/** Losses of the steps that a run has written down. */
function stepLosses(directory: string): number[] {
  return readFileSync(join(directory, "metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { kind: string; loss: number })
    .filter(({ kind }) => kind === "step")
    .map(({ loss }) => loss);
}

test("quickstart tells what a run that is there came to, and leaves it as it is", async () => {
  const before = readFileSync(join(run, "metrics.jsonl"), "utf8");
  expect(await fathomJson(["quickstart", "--out", run])).toMatchObject({
    run,
    steps: 6,
    tokens: 6 * 4 * 64,
    trainLoss: trained.trainLoss,
    valBitsPerByte: trained.valBitsPerByte,
    tokensPerSecond: positive,
    seconds: positive,
  });
  expect(readFileSync(join(run, "metrics.jsonl"), "utf8")).toBe(before);
  // For people it ends with the ways to talk to the model, each a command that is there.
  const { stdout } = await fathom(["quickstart", "--out", run]);
  for (const way of [
    `fathom generate --model ${run} `,
    `fathom chat ${run}`,
    `fathom serve ${run}`,
    `library.mjs ${run}`,
  ])
    expect(stdout).toContain(way);
  expect(stdout).toContain("http://127.0.0.1:8000/v1");
});

test("the losses of V2 are trained with by config and flags", async () => {
  const config = join(folder, "v2.json");
  const gate = { scoring_func: "softmax", topk_method: "group_limited_greedy", num_nextn_predict_layers: 0 };
  writeFileSync(config, JSON.stringify({ ...smallConfig, model_type: "deepseek_v2", ...gate }));
  const balanceOf = async (name: string, flags: string): Promise<number> => {
    const out = join(folder, name);
    const args = words("pretrain --config", config, "--data", corpus, "--tokenizer", tokenizerDir, "--out", out);
    await fathomJson([...args, ...words("--steps 1 --batch 2 --threads 1 --samples 0"), ...words(flags)]);
    const line = readFileSync(join(out, "metrics.jsonl"), "utf8")
      .split("\n")
      .find((text) => text.includes('"kind":"step"'));
    return (JSON.parse(line ?? "{}") as { balanceLoss: number }).balanceLoss;
  };
  const expert = await balanceOf("v2-expert", "--alpha 0.003");
  const device = await balanceOf("v2-device", "--alpha 0 --device-balance 0.05");
  const communication = await balanceOf("v2-communication", "--alpha 0 --communication-balance 0.02");
  // One layer, random weights: experts and groups are used about evenly, so that each loss is about its factor.
  for (const [loss, factor] of [
    [expert, 0.003],
    [device, 0.05],
    [communication, 0.02],
  ] as const) {
    expect(loss / factor).toBeGreaterThan(0.9);
    expect(loss / factor).toBeLessThan(1.6);
  }
  // Dropped assignments change no choice of the first layer, and the loss of one step only little.
  expect(await balanceOf("v2-dropping", "--alpha 0.003 --device-capacity 0.5")).toBe(expert);
  expect(stepLosses(join(folder, "v2-dropping"))).not.toEqual(stepLosses(join(folder, "v2-expert")));
  expect(await balanceOf("v2-all", "--alpha 0.003 --device-balance 0.05 --communication-balance 0.02")).toBeCloseTo(
    expert + device + communication,
    6,
  );
});

test("--resume on a directory that is not there starts, and on a finished run tells the same again", async () => {
  const fresh = join(folder, "fresh");
  const config = join(folder, "config.json");
  const args = words("pretrain --config", config, "--data", corpus, "--tokenizer", tokenizerDir, "--out", fresh);
  const flags = words("--steps 2 --batch 2 --threads 1 --resume --samples 0");
  expect(await fathomJson([...args, ...flags])).toMatchObject({ run: fresh, steps: 2, tokens: 256 });
  const more = words("--steps 4 --batch 2 --threads 1 --resume --samples 0");
  const ended = await fathomJson([...args, ...more]);
  expect(ended).toMatchObject({ run: fresh, steps: 4, tokens: 512, trainLoss: positive });
  const again = await fathomJson([...args, ...more]);
  const { steps: _, trainLoss, valBitsPerByte } = ended;
  expect(again).toMatchObject({
    run: fresh,
    steps: 4,
    tokens: 512,
    trainLoss,
    valBitsPerByte,
    tokensPerSecond: positive,
  });
  // The loss is the mean over all four steps, two of which another process made.
  const losses = stepLosses(fresh);
  expect(losses.length).toBe(4);
  expect(trainLoss).toBeCloseTo(losses.reduce((sum, loss) => sum + loss, 0) / 4, 12);
  const steps = readFileSync(join(fresh, "metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { kind: string; step: number })
    .filter(({ kind }) => kind === "step");
  expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
});

test("score gives each token its own log-probability, whatever comes after it", async () => {
  const ids = [3, 1, 4, 1, 5, 9, 2, 6];
  const whole = await score("--ids", ids.join(","));
  expect(whole).toEqual({
    numTokens: 8,
    ids,
    logprobs: [null, ...Array<unknown>(7).fill(finite)],
    mtpLogprobs: [[null, null, ...Array<unknown>(6).fill(finite)]],
    bitsPerByte: null,
  });
  for (const value of whole.logprobs) expect(value ?? -1).toBeLessThan(0);
  const prefix = await score("--ids", ids.slice(0, 5).join(","));
  prefix.logprobs.forEach((value, i) => {
    expect(value ?? 0).toBeCloseTo(whole.logprobs[i] ?? 0, 5);
  });
  prefix.mtpLogprobs[0]?.forEach((value, i) => {
    expect(value ?? 0).toBeCloseTo(whole.mtpLogprobs[0]?.[i] ?? 0, 5);
  });
  // Another last token changes its own value alone.
  const other = await score("--ids", [...ids.slice(0, 7), 77].join(","));
  expect(other.logprobs.slice(0, 7)).toEqual(whole.logprobs.slice(0, 7));
  expect(other.logprobs[7]).not.toBe(whole.logprobs[7]);
});

test("score of ids needs no tokenizer, and takes the type of the checkpoint", async () => {
  const model = join(folder, "random");
  expect(
    await fathomJson(words("init", join(folder, "config.json"), "--dtype bfloat16 --seed 4 --out", model)),
  ).toMatchObject({ out: model, dtype: "bfloat16", tensors: positive, bytes: positive, seconds: positive });
  const usual = await fathomJson(["score", "--model", model, "--ids", "5,6,7"]);
  expect(usual).toMatchObject({ numTokens: 3, logprobs: [null, finite, finite], bitsPerByte: null });
  expect(await fathomJson(words("score --model", model, "--ids 5,6,7 --dtype bfloat16"))).toEqual(usual);
  expect(await fathomJson(words("score --model", model, "--ids 5,6,7 --dtype float32"))).not.toEqual(usual);
});

test("score of a text and of a file with that text agree, and bits per byte follow from the log-probabilities", async () => {
  const text = "const naïve = 1;\n";
  const file = join(folder, "text.ts");
  writeFileSync(file, text);
  const ofText = await score("--text", text);
  expect(await score("--file", file)).toEqual(ofText);
  expect(ofText.ids).toHaveLength(ofText.numTokens);
  expect(ofText.logprobs).toHaveLength(ofText.numTokens);
  expect(ofText.logprobs[0]).toBeNull();
  const nats = -ofText.logprobs.reduce<number>((sum, value) => sum + (value ?? 0), 0);
  expect(ofText.bitsPerByte).toBeCloseTo(nats / Math.LN2 / Buffer.byteLength(text), 6);
  expect(await score("--ids", ofText.ids.join(","))).toEqual({ ...ofText, bitsPerByte: null });
});

test("score writes the routing of each token and expert layer", async () => {
  const file = join(folder, "routing.jsonl");
  await score("--ids", "3,1,4", "--routing", file);
  const rows = readFileSync(file, "utf8").trimEnd().split("\n");
  expect(rows.length).toBeGreaterThanOrEqual(3);
  for (const row of rows) {
    expect(JSON.parse(row)).toMatchObject({ position: count, layer: positive, experts: [count, count] });
  }
});

test("generate is the same for the same seed, and greedy without one", async () => {
  const ask = (args: string): Promise<Readonly<Record<string, unknown>>> =>
    fathomJson(["generate", "--model", run, "--prompt", "export const ", ...args.split(" ")]);
  const shape = {
    text: expect.any(String),
    ids: expect.any(Array),
    finishReason: expect.stringMatching(/^(length|stop)$/),
    promptTokens: positive,
    completionTokens: count,
    tokensPerSecond: positive,
  };
  const { tokensPerSecond: _, ...greedy } = await ask("--max-tokens 12 --temperature 0 --seed 1");
  expect({ ...greedy, tokensPerSecond: 1 }).toMatchObject(shape);
  expect(await ask("--max-tokens 12 --temperature 0 --seed 2")).toMatchObject(greedy);
  const { tokensPerSecond: __, ...seven } = await ask("--max-tokens 12 --temperature 1 --seed 7");
  expect(await ask("--max-tokens 12 --temperature 1 --seed 7")).toMatchObject(seven);
  expect(await ask("--max-tokens 12 --temperature 1 --seed 8")).not.toMatchObject(seven);
  expect(seven.completionTokens).toBe((seven.ids as unknown[]).length);
  if (seven.finishReason === "length") expect(seven.completionTokens).toBe(12);
});

test("generate with a suffix fills the gap, and the suffix is part of its prompt", async () => {
  const ask = (...args: string[]): Promise<Readonly<Record<string, unknown>>> =>
    fathomJson(["generate", "--model", run, ...args, ...words("--max-tokens 4 --temperature 0 --seed 1")]);
  const plain = await ask("--prompt", "const a = ");
  const filled = await ask("--prompt", "const a = ", "--suffix", ";\nreturn a;");
  expect(filled).toMatchObject({ text: expect.any(String), finishReason: expect.any(String), completionTokens: count });
  expect(Number(filled.promptTokens)).toBeGreaterThan(Number(plain.promptTokens) + 3);
});

test("generate writes what a grammar allows, and nothing else", async () => {
  const schema = join(folder, "schema.json");
  writeFileSync(schema, JSON.stringify({ type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"] }));
  const text = async (...args: readonly string[]): Promise<string> => {
    const command = words("generate --model", run, "--max-tokens 60 --seed 3 --prompt a").concat(args);
    const result = await fathomJson(command);
    expect(result.finishReason).toBe("stop");
    return String(result.text);
  };
  expect(Object.keys(JSON.parse(await text("--json-schema", schema)) as object)).toEqual(["ok"]);
  expect(await text("--regex", "[0-9]{3}-[a-f]{2,5}z")).toMatch(/^[0-9]{3}-[a-f]{2,5}z$/);
  expect(["yes", "no"]).toContain(await text("--choice", "yes", "--choice", "no"));
});

test("generate without --json writes the text alone on standard output", async () => {
  const args = words("generate --model", run, "--max-tokens 8 --temperature 0 --prompt").concat("const ");
  const { text } = await fathomJson(args);
  expect((await fathom(args)).stdout.trimEnd()).toBe(String(text).trimEnd());
});

test("inspect counts DeepSeek-V3 exactly", async () => {
  expect(await fathomJson(["inspect", "deepseek-v3"])).toMatchObject({
    parameters: { total: 671026419200, activated: 37552297472, mtp: positive },
    kvCacheBytesPerToken: 70272,
    flopsPerTokenTraining: positive,
  });
});

test("inspect of a run agrees with the tensors that lie in its files", async () => {
  const found = await fathomJson(["inspect", run]);
  expect(found).toMatchObject({
    parameters: { total: positive, activated: positive, mtp: positive },
    kvCacheBytesPerToken: 2 * (16 + 8) * 2, // layers x (latent + rotated key) x bf16
    flopsPerTokenTraining: positive,
    tensors: { count: positive },
  });
  const { tensors, parameters } = found as unknown as {
    tensors: { bytesByDtype: Record<string, number> };
    parameters: { total: number; mtp: number };
  };
  const stored = Object.values(tensors.bytesByDtype).reduce((sum, bytes) => sum + bytes, 0) / 4;
  // Files repeat the embedding and the head for the MTP module.
  const shared = 2 * smallConfig.vocab_size * smallConfig.hidden_size;
  expect(parameters.total + parameters.mtp + shared).toBe(stored);
});

test("tokenizer train and encode tell tokens, bytes and time", async () => {
  expect(trainedTokenizer).toMatchObject({ out: tokenizerDir, vocabSize, documents: positive, seconds: positive });
  const file = join(root, "README.md");
  const args = ["tokenizer", "encode", "--tokenizer", tokenizerDir, "--file", file];
  const bytes = readFileSync(file).length;
  const one = await fathomJson(args);
  expect(one).toEqual({ numTokens: positive, bytes, seconds: positive });
  const two = await fathomJson([...args, "--threads", "2"]);
  expect(two).toEqual({ numTokens: one.numTokens, bytes, seconds: positive });
});

test("data prepare and data inspect count the same text", async () => {
  const out = join(folder, "data");
  const prepared = await fathomJson(["data", "prepare", "--data", corpus, "--tokenizer", tokenizerDir, "--out", out]);
  expect(prepared).toMatchObject({
    out,
    sources: [{ documents: positive, bytes: positive, tokens: positive, duplicates: count, skipped: { binary: 0 } }],
    validation: { documents: positive, bytes: positive, tokens: positive },
    seconds: positive,
  });
  const inspected = await fathomJson(words("data inspect", out, "--tokenizer", tokenizerDir, "--length 32 --rows 1"));
  const { sources, validation } = prepared as { sources: { documents: number; tokens: number }[]; validation: object };
  expect(inspected).toMatchObject({
    sequenceLength: 32,
    tokens: sources[0]?.tokens,
    documents: Number(sources[0]?.documents),
    validation,
    rows: [{ parts: expect.any(Array) }],
  });
  expect(await fathomJson(words("data inspect", run, "--length 32 --rows 0 --verify"))).toMatchObject({ rows: [] });
});

test("bench train tells speed, share of the peak, the parts of a step and memory", async () => {
  expect(
    await fathomJson(words("bench train --preset tiny --steps 1 --threads 2 --batch 2 --length 64")),
  ).toMatchObject({
    tokensPerSecond: positive,
    peakFraction: positive,
    peakFlops: positive,
    step: { forward: positive, backward: positive, optimizer: positive },
    peakMemoryBytes: positive,
  });
});

test("doctor tells what the machine has", async () => {
  expect(await fathomJson(["doctor"])).toMatchObject({
    processor: expect.any(String),
    threads: positive,
    memoryBytes: positive,
    instructionSet: expect.any(String),
    tools: expect.any(Array),
  });
});

test("extend tells what pretrain tells, and compares the windows", async () => {
  const out = join(folder, "extended");
  const args = words("extend --model", run, "--to 128 --data", corpus, "--out", out, "--steps 2 --batch 1 --windows 2");
  expect(await fathomJson(args)).toMatchObject({
    run: out,
    steps: 2,
    tokens: 256,
    trainLoss: positive,
    tokensPerSecond: positive,
    seconds: positive,
    from: 64,
    to: 128,
  });
});

test("a command that fails with --json prints nothing on standard output and one line on standard error", async () => {
  const failures: readonly (readonly [number, readonly string[]])[] = [
    [1, ["score", "--model", join(folder, "nowhere"), "--ids", "1,2", "--json"]],
    [1, ["inspect", "no-such-preset", "--json"]],
    [1, ["generate", "--model", run, "--json"]],
    [2, ["generate", "--model", run, "--prompt", "a", "--temperature", "hot", "--json"]],
    [2, ["score", "--json"]],
  ];
  for (const [expected, args] of failures) {
    const { code, stdout, stderr } = await fathom(args);
    expect({ args, code, stdout }).toEqual({ args, code: expected, stdout: "" });
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(stderr).toMatch(/^fathom: /);
  }
});

test("--help and inspect answer within 0.3 s", async () => {
  for (const args of [["--help"], ["inspect", "deepseek-v3"]]) {
    // Other tests run beside this one, and what they take can only be added: the best of some tries counts.
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 20 && best >= 0.3; i++) best = Math.min(best, (await fathom(args)).seconds);
    expect(best, `fathom ${args.join(" ")}`).toBeLessThan(0.3);
  }
});
