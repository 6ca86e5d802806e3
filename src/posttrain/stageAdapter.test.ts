/** Stages that train an adapter, on a tiny model: what they leave untouched, where they start, that they go on to the bit, references. */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runLocalRanks } from "../../test/distributed/localRanks.js";
import {
  checkpointHashes,
  type StagePlace,
  stageInput,
  stagePlace,
  type Told,
  timeless,
  told,
} from "../../test/posttrain/stageRun.js";
import { readAdapter } from "../checkpoint/adapterFile.js";
import { convertCheckpoint } from "../checkpoint/convert.js";
import { findModel } from "../checkpoint/modelSource.js";
import { openCheckpoint } from "../checkpoint/openCheckpoint.js";
import { markedCheckpoint, resolveModelOrAdapter } from "../checkpoint/runDirectory.js";
import { type AdapterConfig, defaultAdapter } from "../model/adapterConfig.js";
import type { DeepseekV3 } from "../model/deepseekV3.js";
import type { StepEvent } from "../train/events.js";
import { readRunRecord } from "../train/runFiles.js";
import { ChatLoader } from "./data/chatLoader.js";
import type { SupervisedSequence } from "./data/sequences.js";
import { type GrpoInput, grpo } from "./grpo/grpo.js";
import { defaultGrpo } from "./grpo/options.js";
import { openReference, referenceUnder } from "./grpo/referencePolicy.js";
import type { Scorer } from "./grpo/scoring.js";
import { type DpoInput, dpo } from "./preference/dpo.js";
import { defaultDpo } from "./preference/dpoLoss.js";
import { type Answers, pairLogprobs } from "./preference/pairLogprobs.js";
import { openRewardModel } from "./preference/rewardModel.js";
import { type SftInput, sft } from "./sft.js";
import type { StageAdapter } from "./stageAdapter.js";
import { recordLogprobs, supervisedLoss } from "./supervisedLoss.js";

const records: readonly SupervisedSequence[] = Array.from({ length: 12 }, (_, record) => {
  const ids = Int32Array.from({ length: 6 + (record % 4) }, (_, i) => 40 + ((3 * record + i * i) % 50));
  return { record, ids, isTarget: Uint8Array.from(ids, (_, i) => (i >= 3 ? 1 : 0)) };
});
const heldOut = records.slice(9);
const training = records.slice(0, 9);
const settings = { learningRate: 0.02, minLearningRate: 0.02, saveEvery: 2, validateEvery: 2 };

const held = [null, "float8_e4m3fn"] as const;

let place: StagePlace;
let lora: AdapterConfig;
/** Runs of sft that were never stopped, by how the base lies in memory; directory `tuned-...`. */
const tuned = new Map<(typeof held)[number], Told>();
beforeAll(async () => {
  place = stagePlace({ num_nextn_predict_layers: 1 });
  lora = { ...defaultAdapter, baseModelNameOrPath: place.base, targetModules: "all", r: 4, loraDropout: 0.1 };
  for (const weights of held) {
    tuned.set(weights, await told(sft(await sftInput(`tuned-${weights}`, { adapter: over({}, weights) }))));
  }
});
afterAll(() => place.remove());

const over = (changes: Partial<AdapterConfig> = {}, weights: StageAdapter["weights"] = null): StageAdapter => ({
  from: { ...lora, ...changes },
  weights,
});

async function sftInput(run: string, changes: Partial<SftInput> = {}): Promise<SftInput> {
  const loader = new ChatLoader(training, {
    ...{ stepSize: { sequences: 3 }, microBatchTokens: 16, packing: "bfd", epochs: 3, seed: 1 },
  });
  const options = { epochs: 3, normalisation: "token", trainsMtp: false } as const;
  return { ...(await stageInput(place, run, settings)), options, loader, validation: heldOut, ...changes };
}

const hash = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
/** Of every matrix in memory, scales included. */
const weightsOf = ({ parameters }: DeepseekV3): string[] =>
  parameters.map(
    ({ name, data, scales }) => `${name} ${hash(data.bytes())} ${scales ? hash(scales.values.bytes()) : ""}`,
  );
const filesOf = (folder: string): string[] =>
  readdirSync(folder).map((name) => `${name} ${hash(readFileSync(join(folder, name)))}`);

describe("sft over an adapter", () => {
  test.each(["float8_e4m3fn", null] as const)(
    "over weights in %s learns, changes no bit of them, gives them no gradient, and saves the adapter alone",
    async (weights) => {
      const opened = openCheckpoint(place.base, { dtype: "float32", weights: weights ?? undefined }).model;
      const [before, files] = [weightsOf(opened), filesOf(place.base)];
      const first = await supervisedLoss(opened, heldOut, 16);
      opened.free();
      let after: string[] = [];
      const input = await sftInput(`learns-${weights}`, {
        adapter: over({}, weights),
        validation: training,
        settings: { ...place.settings, ...settings, maxSteps: 200 },
        options: { epochs: 30, normalisation: "token", trainsMtp: false },
        loader: new ChatLoader(training, {
          ...{ stepSize: { sequences: 9 }, microBatchTokens: 64, packing: "bfd", epochs: 30, seed: 1 },
        }),
        sample: async (model) => {
          after = weightsOf(model);
          expect(model.parameters.filter(({ grad, isTrained }) => grad !== null || isTrained)).toEqual([]);
          expect(model.mtp).toHaveLength(1);
          return [];
        },
      });
      const { validations } = await told(sft(input));
      expect(first.loss).toBeGreaterThan(3);
      // Thirty steps of 0.02 over a frozen random head.
      expect(validations.at(-1)?.valLoss).toBeLessThan(0.6 * first.loss);
      expect(after).toEqual(before);
      expect(filesOf(place.base)).toEqual(files);
      expect(readdirSync(join(input.run, "checkpoints", "latest")).sort()).toEqual([
        ...["adapter_config.json", "adapter_model.safetensors", "manifest.json"],
        ...["optimizer-00000-of-00001.safetensors", "special_tokens_map.json", "tokenizer.json"],
        ...["tokenizer_config.json", "trainer.json"],
      ]);
      const record = readRunRecord(input.run);
      expect(record?.settings.adapter).toMatchObject({ r: 4, lora_dropout: 0.1, target_modules: "all", weights });
    },
  );

  test("a fresh adapter's first loss, without dropout, is that of training the weights, to the bit", async () => {
    const one = { ...place.settings, ...settings, maxSteps: 1 };
    const plain = await told(sft(await sftInput("first-plain", { settings: one })));
    const adapted = await told(sft(await sftInput("first-lora", { settings: one, adapter: over({ loraDropout: 0 }) })));
    expect(adapted.steps[0]?.loss).toBe(plain.steps[0]?.loss);
    expect(adapted.steps[0]?.gradNorm).not.toBe(plain.steps[0]?.gradNorm);
  });

  test.each(held)(
    "over weights in %s a run that goes on makes the steps and files of one that was never stopped, dropout included",
    async (weights) => {
      const adapter = over({}, weights);
      const [whole, parts] = [join(place.folder, `tuned-${weights}`), `parts-${weights}`];
      const { steps, validations } = tuned.get(weights) as Told;
      expect(steps).toHaveLength(9);
      const stopped = await sftInput(parts, { adapter, settings: { ...place.settings, ...settings, maxSteps: 4 } });
      const before = await told(sft(stopped));
      const resumeFrom = join(stopped.run, "checkpoints", "step-00000004");
      const after = await told(sft(await sftInput(parts, { adapter, resumeFrom })));
      expect([...before.steps, ...after.steps].map(timeless)).toEqual(steps.map(timeless));
      expect(checkpointHashes(stopped.run)).toEqual(checkpointHashes(whole));
      const best = validations.reduce((low, each) => (each.valLoss < low.valLoss ? each : low));
      expect(markedCheckpoint(whole, "best")?.step).toBe(best.step);
    },
  );

  test("the run opens over its base with the loss it was validated with, merged too, and goes on being trained", async () => {
    const run = join(place.folder, "tuned-null");
    const source = await findModel(run);
    expect(source.directory).toBe(place.base);
    const { validations } = tuned.get(null) as Told;
    const { model } = openCheckpoint(source.directory, { dtype: "float32", adapter: source.adapter });
    const unmerged = await supervisedLoss(model, heldOut, 64);
    model.free();
    expect(unmerged.loss).toBe(validations.at(-1)?.valLoss);

    const merged = join(place.folder, "merged");
    convertCheckpoint(place.base, merged, "f32", 1e9, readAdapter(source.adapter ?? ""));
    const whole = openCheckpoint(merged, { dtype: "float32" }).model;
    const plain = openCheckpoint(place.base, { dtype: "float32" }).model;
    const base = await supervisedLoss(plain, heldOut, 64);
    // Sums in another order, in float32; the adapter itself moves the loss by far more.
    expect(Math.abs((await supervisedLoss(whole, heldOut, 64)).loss - unmerged.loss)).toBeLessThan(2e-5);
    expect(Math.abs(base.loss - unmerged.loss)).toBeGreaterThan(0.1);
    whole.free();
    plain.free();

    const still = { ...place.settings, ...settings, learningRate: 0, minLearningRate: 0, maxSteps: 1 };
    const further = await sftInput("further", {
      adapter: { from: source.adapter ?? "", weights: null },
      settings: still,
    });
    const { validations: again } = await told(sft(further));
    expect(again[0]?.valLoss).toBe(unmerged.loss);
    expect(checkpointHashes(further.run)["adapter_model.safetensors"]).toBe(
      checkpointHashes(run)["adapter_model.safetensors"],
    );
    expect((await findModel(further.run)).directory).toBe(place.base);
  });

  test("two processes make what one makes", async () => {
    const one = { adapter: over({ loraDropout: 0 }), settings: { ...place.settings, ...settings, maxSteps: 4 } };
    const alone = await told(sft(await sftInput("one", one)));
    const ranks = await runLocalRanks(2, async (world) => {
      const loader = new ChatLoader(training, {
        ...{ stepSize: { sequences: 3 }, microBatchTokens: 16, packing: "bfd", epochs: 3, seed: 1 },
        ...{ rank: world.rank, world: world.size },
      });
      const { grid } = await stageInput(place, "two", {}, world);
      return told(sft(await sftInput("two", { ...one, loader, grid })));
    });
    for (const { steps } of ranks) {
      for (const [i, { loss, gradNorm }] of steps.entries()) {
        // Gradients are summed in another order: float32 differs in its last digits.
        expect(loss).toBeCloseTo(alone.steps[i]?.loss ?? Number.NaN, 5);
        expect(gradNorm / (alone.steps[i]?.gradNorm ?? Number.NaN)).toBeCloseTo(1, 4);
      }
      expect(steps).toHaveLength(4);
    }
  });

  test("what would train the base, or does not fit it, is refused", async () => {
    const refused = async (changes: Partial<SftInput>, message: string | RegExp): Promise<void> => {
      await expect(told(sft(await sftInput("refused", changes)))).rejects.toThrow(message);
    };
    const adapter = over();
    const usual = { ...place.settings, ...settings };
    await refused({ adapter, settings: { ...usual, gamma: 0.001 } }, "gamma must be 0, for the routers are frozen");
    await refused({ adapter, settings: { ...usual, dtype: "fp8" } }, "fp8 arithmetic trains the weights");
    await refused({ adapter: over({ targetModules: ["gate"] }) }, 'target_modules ["gate"] fits no linear');
    const resumeFrom = resolveModelOrAdapter(join(place.folder, "tuned-null"));
    await refused({ adapter: over({ r: 2 }), resumeFrom }, "another adapter than the model's");
    const weights = resolveModelOrAdapter(join(place.folder, "first-plain"));
    await refused({ adapter, resumeFrom: weights }, "no adapter_config.json: not an adapter");
    await refused({ resumeFrom }, /config\.json/);
    expect(() => openRewardModel(resumeFrom)).toThrow("an adapter, where the weights themselves are wanted");
  });
});

describe("dpo over an adapter", () => {
  const pairs = Array.from({ length: 6 }, (_, seed): Answers => {
    const answer = (shift: number, length: number): Answers["chosen"] => {
      const ids = Int32Array.from({ length: 3 + length }, (_, i) => (i < 3 ? 45 + seed + i : 60 + shift + i));
      return { ids, isTarget: Uint8Array.from(ids, (_, i) => (i >= 3 ? 1 : 0)), promptLength: 3 };
    };
    return { chosen: answer(seed % 4, 3), rejected: answer(20 + seed, 2) };
  });

  async function dpoInput(run: string, adapter: StageAdapter): Promise<DpoInput> {
    const options = { ...defaultDpo, epochs: 6, pairsPerStep: 3 };
    mkdirSync(join(place.folder, run), { recursive: true });
    return { ...(await stageInput(place, run, settings)), adapter, options, pairs, validation: [] };
  }
  const referenceOf = (run: string): unknown =>
    JSON.parse(readFileSync(join(place.folder, run, "reference.json"), "utf8")).training;

  test("the reference is the model it begins with to the bit: the base, or the base with the adapter that goes on", async () => {
    const adapted = resolveModelOrAdapter(join(place.folder, "tuned-float8_e4m3fn"));
    const cases = [
      { run: "dpo-fresh", from: { ...lora, loraDropout: 0 }, adapter: null },
      { run: "dpo-further", from: adapted, adapter: adapted },
    ];
    const sums: unknown[] = [];
    for (const { run, from, adapter } of cases) {
      const { steps } = await told(dpo(await dpoInput(run, { from, weights: "float8_e4m3fn" })));
      const { model } = openCheckpoint(place.base, { dtype: "float32", weights: "float8_e4m3fn", adapter });
      const { chosen, rejected } = await pairLogprobs(model, pairs, place.settings.microBatchTokens);
      model.free();
      expect(referenceOf(run)).toMatchObject({ chosen: Array.from(chosen), rejected: Array.from(rejected) });
      sums.push(Array.from(chosen));
      if (adapter === null) {
        expect(steps[0]?.loss).toBeCloseTo(Math.LN2, 12);
        expect(steps.at(-1)?.loss).toBeLessThan(0.5 * Math.LN2);
      }
    }
    expect(sums[0]).not.toEqual(sums[1]);
  });
});

describe("grpo over an adapter", () => {
  const prompts = Array.from({ length: 8 }, (_, i) => ({ ids: Int32Array.of(0, 40 + i, 41) }));
  /** Rows of the frozen head: a state along its first axis makes the tokens likelier that are positive there. */
  let head: Float32Array;
  beforeAll(() => {
    const { model } = openCheckpoint(place.base, { dtype: "float32" });
    head = model.parameters.find(({ name }) => name === "lm_head.weight")?.data.toFloats() ?? new Float32Array();
    model.free();
  });
  /** The share of an answer's tokens that are positive there. */
  const positive: Scorer = async (answers) => {
    const isPositive = (id: number): boolean => (head[id * place.config.hiddenSize] ?? Number.NaN) > 0;
    const total = answers.map(({ completionIds: ids }) => ids.filter(isPositive).length / ids.length);
    return { total, parts: { positive: total } };
  };
  const rates = { learningRate: 0.01, minLearningRate: 0.01, alpha: 0, saveEvery: 0, validateEvery: 0 };
  const options = {
    ...defaultGrpo,
    ...{ steps: 4, promptsPerStep: 4, batch: 32, logEvery: 0 },
    rollout: { ...defaultGrpo.rollout, groupSize: 6, maxTokens: 3 },
  };

  async function train(run: string, changes: Partial<GrpoInput> = {}): Promise<StepEvent[]> {
    const usual = await stageInput(place, run, rates);
    mkdirSync(usual.run, { recursive: true });
    const adapter = over({ loraDropout: 0 }, "float8_e4m3fn");
    const loop = grpo({ ...usual, adapter, options, prompts, scorer: positive, evaluate: null, ...changes });
    return [...(await told(loop)).steps];
  }

  test("the reference is the base to the bit, whatever the adapter has learned", async () => {
    const adapter = resolveModelOrAdapter(join(place.folder, "tuned-null"));
    const { model } = openCheckpoint(place.base, { dtype: "float32", adapter });
    const ask = (of: DeepseekV3) => recordLogprobs(of, records, 0.7, 32);
    const base = openReference(place.base, "float32");
    const expected = await base.ask(ask);
    const policy = await ask(model);
    expect(await referenceUnder(model).ask(ask)).toEqual(expected);
    expect(policy).not.toEqual(expected);
    expect(await ask(model)).toEqual(policy);
    base.free();
    model.free();
  });

  test("the reward rises, the engine samples from the adapted model, and the policy leaves its reference", async () => {
    const steps = await train("grpo", { options: { ...options, steps: 40, loss: { ...options.loss, beta: 0.001 } } });
    const reward = (part: readonly StepEvent[]): number =>
      part.reduce((sum, { policy }) => sum + (policy?.reward ?? 0), 0) / part.length;
    // Half of the tokens are positive. The frozen head keeps even the best state from the others.
    expect(reward(steps.slice(0, 5))).toBeLessThan(0.6);
    expect(reward(steps.slice(-5))).toBeGreaterThan(0.7);
    expect(steps[0]?.policy?.kl).toBe(0);
    expect(steps.at(-1)?.policy?.kl).toBeGreaterThan(0.1);
    // Trainer and engine compute the same in float32 but for the order of their sums.
    for (const { policy } of steps) {
      expect(policy?.mismatch.max).toBeLessThan(1e-3);
      expect(policy?.mismatch.effectiveShare).toBeCloseTo(1, 5);
    }
  });

  test("a run that goes on makes the steps and files of one that was never stopped", async () => {
    const facts = (event: StepEvent): object => ({ ...timeless(event), policy: { ...event.policy, seconds: null } });
    const whole = await train("grpo-whole");
    const first = await train("grpo-parts", { settings: { ...place.settings, ...rates, maxSteps: 2 } });
    const resumeFrom = join(place.folder, "grpo-parts", "checkpoints", "step-00000002");
    const second = await train("grpo-parts", { resumeFrom });
    expect([...first, ...second].map(facts)).toEqual(whole.map(facts));
    const hashes = (run: string): object => checkpointHashes(join(place.folder, run));
    expect(hashes("grpo-parts")).toEqual(hashes("grpo-whole"));
  });

  test("a reference that is not under the adapter is refused, and none is needed without the KL", async () => {
    await expect(train("refused", { options: { ...options, referenceEvery: 2 } })).rejects.toThrow(
      "the reference is the base, which does not move; leave --reference-every at 0",
    );
    const from = resolveModelOrAdapter(join(place.folder, "tuned-float8_e4m3fn"));
    const adapter = { from, weights: "float8_e4m3fn" } as const;
    await expect(train("refused", { adapter })).rejects.toThrow(
      `${from} is an adapter, and the reference would be the model without it; make one model of both`,
    );
    const free = { ...options, steps: 1, loss: { ...options.loss, beta: 0 } };
    expect((await train("grpo-free", { adapter, options: free }))[0]?.policy?.kl).toBeNull();
  });
});
