/** Reinforcement learning on a model of a few thousand weights: its gradient, that it goes on to the same bits, and that it learns. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { saveModel } from "../../src/checkpoint/modelFiles.js";
import { createGrid, type ProcessGrid } from "../../src/distributed/grid.js";
import { singleCommunicator } from "../../src/distributed/single.js";
import { modelInThread } from "../../src/generate/loadModel.js";
import { supervisedBatch } from "../../src/model/batch.js";
import { isMoeLayer } from "../../src/model/config.js";
import type { DeepseekV3 } from "../../src/model/deepseekV3.js";
import { type GrpoInput, grpo } from "../../src/posttrain/grpo/grpo.js";
import { defaultGrpo, type GrpoOptions, withVariant } from "../../src/posttrain/grpo/options.js";
import { rollOut } from "../../src/posttrain/grpo/rollout.js";
import type { Scorer } from "../../src/posttrain/grpo/scoring.js";
import { answerSequence, type KnownAnswer, sampledRoutes, updatePolicy } from "../../src/posttrain/grpo/update.js";
import { defaultStageSettings, type StageSettings } from "../../src/posttrain/settings.js";
import { type RecordLogprobs, recordLogprobs } from "../../src/posttrain/supervisedLoss.js";
import { buildTokenizerConfig, buildTokenizerJson } from "../../src/tokenizer/newTokenizer.js";
import { Tokenizer } from "../../src/tokenizer/tokenizer.js";
import type { StepEvent, TrainEvent } from "../../src/train/events.js";
import { Trainer } from "../../src/train/trainer.js";
import { smallConfig, smallModel } from "./models.js";

const tokenizer = Tokenizer.fromJson(buildTokenizerJson([]), buildTokenizerConfig());
const config = smallConfig({ vocab_size: tokenizer.vocabSize, num_nextn_predict_layers: 0 });
const settings: StageSettings = {
  ...defaultStageSettings(config),
  dtype: "float32",
  learningRate: 0.01,
  minLearningRate: 0.01,
  alpha: 0,
  maxLength: 16,
  microBatchTokens: 64,
  saveEvery: 0,
  validateEvery: 0,
};
const options: GrpoOptions = {
  ...defaultGrpo,
  steps: 4,
  promptsPerStep: 4,
  rollout: { ...defaultGrpo.rollout, groupSize: 6, maxTokens: 3 },
  batch: 32,
  logEvery: 2,
};
const prompts = Array.from({ length: 8 }, (_, i) => ({ ids: Int32Array.of(0, 40 + i, 41) }));
/** 1 for an answer whose first byte is a letter. */
const letters: Scorer = async (answers) => {
  const total = answers.map(({ text }) => (/^[a-z]/i.test(text) ? 1 : 0));
  return { total, parts: { letter: total } };
};

let folder: string;
let base: string;
let grid: ProcessGrid;
let runs = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fathom-grpo-"));
  base = join(folder, "base");
  mkdirSync(base);
  const model = smallModel(config);
  saveModel(base, model);
  tokenizer.save(base);
  model.free();
  grid = await createGrid(singleCommunicator());
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function train(changes: Partial<GrpoInput> = {}): Promise<{ run: string; events: TrainEvent[] }> {
  const run = changes.run ?? join(folder, `run-${runs++}`);
  mkdirSync(run, { recursive: true });
  const events: TrainEvent[] = [];
  const usual = { run, base, config, settings, options, tokenizer, records: [], asked: {}, grid, resumeFrom: null };
  const loop = grpo({ ...usual, prompts, scorer: letters, evaluate: null, ...changes });
  for await (const event of loop) events.push(event);
  return { run, events };
}

const stepsOf = (events: readonly TrainEvent[]): StepEvent[] => events.filter((event) => event.kind === "step");
/** What two equal runs have in common. */
const facts = (event: StepEvent): unknown => ({
  ...{ step: event.step, loss: event.loss, gradNorm: event.gradNorm, rate: event.learningRate, tokens: event.tokens },
  policy: { ...event.policy, seconds: null },
});
const weights = (run: string, step: number): string =>
  readFileSync(join(run, "checkpoints", `step-${String(step).padStart(8, "0")}`, "model.safetensors")).toString(
    "base64",
  );

test("with clip and KL off its gradient is that of the mean advantage-weighted log-probability, by central differences", async () => {
  const model = smallModel(config);
  const trainer = new Trainer(model, settings, grid);
  trainer.optimizer.adoptWeights();
  const advantages = [1.5, -0.5, -1];
  const answers = advantages.map((advantage, i) => ({
    prompt: i,
    question: i,
    promptIds: Int32Array.of(0, 50 + i),
    completionIds: Int32Array.from({ length: 2 + i }, (_, t) => 60 + 3 * i + t),
    logprobs: new Float64Array(2 + i),
    text: "",
    finishReason: "stop" as const,
    reward: 0,
    parts: {},
    advantage,
    isFlat: false,
    experts: null,
  }));
  const sequences = answers.map(answerSequence);
  const old = await recordLogprobs(model, sequences, 0.8, 64);
  const known = answers.map((answer, i): KnownAnswer => {
    const [sequence, own] = [sequences[i], old[i]];
    if (!sequence || !own) throw new Error("no log-probabilities");
    return { ...answer, sequence, old: own, reference: null };
  });
  const plain = withVariant({ ...options, rollout: { ...options.rollout, temperature: 0.8 } }, "policy-gradient");
  // A rate of 0: the gradient is there and the weights are as before.
  const learning = { trainer, world: grid.world, options: plain, microBatchTokens: 8, seed: 1 };
  await updatePolicy(known, { ...learning, rates: { learningRate: 0, alpha: 0 } });
  const objective = async (): Promise<number> => {
    using batch = supervisedBatch(model.arena, sequences, 0);
    const { logprobs } = await model.tokenLogprobs(batch, 0.8);
    let [row, sum, tokens] = [0, 0, 0];
    for (const [i, { ids }] of sequences.entries()) {
      for (let t = 0; t < ids.length; t++, row++) sum -= (advantages[i] ?? 0) * (logprobs[row] ?? 0);
      tokens += 2 + i;
    }
    return sum / tokens;
  };
  for (const name of ["lm_head.weight", "model.norm.weight"]) {
    const parameter = model.parameters.find((each) => each.name === name);
    const gradient = parameter?.grad?.floats() ?? new Float32Array();
    const values = parameter?.data.floats() ?? new Float32Array();
    const at = gradient.reduce((best, value, i) => (Math.abs(value) > Math.abs(gradient[best] ?? 0) ? i : best), 0);
    const value = values[at] ?? 0;
    values[at] = value + 1e-2;
    const above = await objective();
    values[at] = value - 1e-2;
    const below = await objective();
    values[at] = value;
    const difference = (above - below) / 2e-2;
    expect(Math.abs(difference), name).toBeGreaterThan(1e-4);
    expect(Math.abs((gradient[at] ?? 0) - difference), name).toBeLessThan(5e-3 * Math.abs(difference));
  }
  model.free();
});

test("a run that goes on makes the steps and the weights of one that was never stopped", async () => {
  const whole = await train();
  const first = await train({ settings: { ...settings, maxSteps: 2 } });
  const second = await train({
    run: first.run,
    resumeFrom: join(first.run, "checkpoints", "step-00000002"),
  });
  expect([...stepsOf(first.events), ...stepsOf(second.events)].map(facts)).toEqual(stepsOf(whole.events).map(facts));
  expect(stepsOf(whole.events)).toHaveLength(4);
  expect(weights(first.run, 4)).toBe(weights(whole.run, 4));
  expect(existsSync(join(whole.run, "answers.jsonl"))).toBe(true);
});

test("the reward rises, and answers are told with all that is known of them", async () => {
  const { events, run } = await train({ options: { ...options, steps: 45, loss: { ...options.loss, beta: 0.001 } } });
  const steps = stepsOf(events);
  const reward = (part: readonly StepEvent[]): number =>
    part.reduce((sum, { policy }) => sum + (policy?.reward ?? 0), 0) / part.length;
  expect(reward(steps.slice(0, 5))).toBeLessThan(0.5);
  expect(reward(steps.slice(-5))).toBeGreaterThan(0.8);
  const { policy } = steps[0] as StepEvent;
  expect(policy).toMatchObject({ answers: 24, kl: 0, oldKl: 0, clipLow: 0, clipHigh: 0 });
  // Trainer and engine compute the same in float32 but for the order of their sums.
  expect(policy?.mismatch.max).toBeLessThan(1e-3);
  const [line] = readFileSync(join(run, "answers.jsonl"), "utf8").split("\n");
  const told = JSON.parse(line ?? "") as object;
  expect(Object.keys(told)).toEqual([
    ...["step", "prompt", "answer", "reward", "parts", "advantage", "finishReason", "tokens"],
  ]);
});

test("where all rewards are alike nothing moves, not even by momentum", async () => {
  const flat: Scorer = async (answers) => ({ total: answers.map(() => 1), parts: {} });
  const { run, events } = await train({ scorer: flat, options: { ...options, steps: 2 } });
  expect(stepsOf(events).map(({ policy }) => policy?.zeroStdShare)).toEqual([1, 1]);
  expect(weights(run, 2)).toBe(readFileSync(join(base, "model.safetensors")).toString("base64"));
});

test("with refill, groups that teach nothing are replaced by others", async () => {
  // Answers to the even prompts all get the same.
  const half: Scorer = async (answers) => {
    const total = answers.map(({ question }, i) => (question % 2 === 0 ? 1 : i % 2));
    return { total, parts: {} };
  };
  const { events } = await train({ scorer: half, options: { ...options, steps: 2, zeroVariance: "refill" } });
  for (const { policy } of stepsOf(events)) {
    expect(policy?.zeroStdShare).toBe(0);
    expect(policy?.learned).toBe(24);
  }
});

test("several inner updates move the ratio, and a reference that is the policy keeps the KL small", async () => {
  const inner = { ...options, innerUpdates: 2, miniBatches: 2, referenceEvery: 1, steps: 3 };
  const { events, run } = await train({ options: inner });
  const policies = stepsOf(events).map(({ policy }) => policy);
  expect(policies.every((policy) => (policy?.oldKl ?? 0) !== 0)).toBe(true);
  expect(existsSync(join(run, "checkpoints", "reference"))).toBe(true);
});

test("a reward that is no number is named, and options out of range are refused", async () => {
  const broken: Scorer = async (answers) => ({ total: answers.map(() => Number.NaN), parts: {} });
  await expect(train({ scorer: broken })).rejects.toThrow("reward of answer 0 is NaN");
  await expect(train({ options: { ...options, rollout: { ...options.rollout, groupSize: 1 } } })).rejects.toThrow(
    "group size must be a whole number from 2, got 1",
  );
});

describe("routing replay", () => {
  const layers = [1, 2].filter((layer) => isMoeLayer(config, layer));
  const k = config.numExpertsPerTok;
  const sequence = { ids: [0, 45, 41, 60, 61, 62], isTarget: [0, 0, 0, 1, 1, 1] };
  const logprobsOf = async (model: DeepseekV3, routes?: ReadonlyMap<number, Int32Array>): Promise<RecordLogprobs> => {
    const [record] = await recordLogprobs(model, [{ ...sequence, ...(routes ? { routes } : {}) }], 1, 64);
    if (!record) throw new Error("no record");
    return record;
  };

  test("the gate's own choice replayed changes no bit, nor does one that leaves every row free", async () => {
    const model = smallModel(config);
    const free = await logprobsOf(model);
    expect([...free.routes.keys()]).toEqual(layers);
    expect(await logprobsOf(model, free.routes)).toEqual(free);
    const open = new Map(layers.map((layer) => [layer, new Int32Array(sequence.ids.length * k).fill(-1)]));
    expect(await logprobsOf(model, open)).toEqual(free);
    model.free();
  });

  test("other experts are chosen as a large bias would choose them, weighed by the scores of now", async () => {
    const model = smallModel(config);
    // Of different groups, so that node-limited routing can choose them.
    const forced = Array.from({ length: k }, (_, j) => j);
    const routes = new Map(
      layers.map((layer) => [
        layer,
        Int32Array.from({ length: sequence.ids.length * k }, (_, i) => forced[i % k] ?? 0),
      ]),
    );
    const replayed = await logprobsOf(model, routes);
    for (const { moe } of model.moeLayers) {
      const bias = moe.gate.eScoreCorrectionBias?.data.floats();
      for (const expert of forced) if (bias) bias[expert] = 100;
    }
    const biased = await logprobsOf(model);
    for (const layer of layers) expect(new Set(biased.routes.get(layer))).toEqual(new Set(forced));
    expect(replayed.routes).toEqual(routes);
    for (const [i, value] of biased.logprobs.entries()) expect(replayed.logprobs[i]).toBeCloseTo(value, 5);
    expect(Math.abs((await logprobsOf(smallModel(config))).logprobs[4]! - biased.logprobs[4]!)).toBeGreaterThan(1e-4);
    model.free();
  });

  test("the sampler's experts are those of the rows that the answers' tokens follow from", async () => {
    const model = smallModel(config);
    await using engine = modelInThread(model, tokenizer, { maxBatch: 8, cacheTokens: 2048, speculation: 0 });
    const asked = prompts.slice(0, 2).map(({ ids }, seed) => ({ ids, seed }));
    const rollouts = await rollOut(engine, asked, { ...options.rollout, groupSize: 2, maxTokens: 6, traces: true });
    const answers = rollouts.map((each) => ({
      ...each,
      question: 0,
      reward: 0,
      parts: {},
      advantage: 0,
      isFlat: false,
    }));
    const own = await recordLogprobs(model, answers.map(answerSequence), 1, 64);
    for (const [i, answer] of answers.entries()) {
      const routes = sampledRoutes(answer, layers, k);
      for (const layer of layers) {
        const first = (answer.promptIds.length - 1) * k;
        const last = first + answer.completionIds.length * k;
        expect([...routes.get(layer)!.subarray(first, last)]).toEqual([
          ...own[i]!.routes.get(layer)!.subarray(first, last),
        ]);
        expect(
          routes
            .get(layer)!
            .subarray(0, first)
            .every((expert) => expert === -1),
        ).toBe(true);
      }
    }
    model.free();
  });

  test("updates send tokens where they are told to, and runs with either replay go on to the same bits", async () => {
    const model = smallModel(config);
    const trainer = new Trainer(model, settings, grid);
    const routes = new Map(layers.map((layer) => [layer, new Int32Array(4 * k).map((_, i) => i % k)]));
    const answer = {
      ...{ prompt: 0, question: 0, promptIds: Int32Array.of(0, 50), completionIds: Int32Array.of(60, 61) },
      ...{ logprobs: new Float64Array(2), text: "", finishReason: "stop" as const, reward: 1, parts: {}, advantage: 1 },
      ...{ isFlat: false, experts: null },
    };
    const told = { ...answerSequence(answer), routes };
    const [old] = await recordLogprobs(model, [told], 1, 64);
    if (!old) throw new Error("no log-probabilities");
    const learning = {
      trainer,
      world: grid.world,
      microBatchTokens: 64,
      seed: 1,
      rates: { learningRate: 0.01, alpha: 0 },
    };
    const inner = withVariant({ ...options, innerUpdates: 3 }, "policy-gradient");
    const { steps } = await updatePolicy([{ ...answer, sequence: told, old, reference: null }], {
      ...learning,
      options: inner,
    });
    expect(steps).toHaveLength(3);
    for (const { layers: loads } of steps)
      for (const { counts } of loads) expect(counts.map((count) => count > 0)).toEqual(counts.map((_, e) => e < k));
    model.free();
    for (const routerReplay of ["policy", "rollout"] as const) {
      const changes = { options: { ...options, routerReplay, innerUpdates: 2 } };
      const [one, other] = [await train(changes), await train(changes)];
      expect(stepsOf(one.events).map(facts)).toEqual(stepsOf(other.events).map(facts));
    }
  });
});
