/**
 * Losses of fine-tuning and of DPO, and their gradients, against PyTorch and transformers, where records are padded, labels masked with
 * -100 and gradients come from autograd. posttraining.py beside this file made the fixture and says what it holds; nothing here needs
 * Python.
 */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hfTensors } from "../../src/checkpoint/hfNames.js";
import { loadWeights, readConfig } from "../../src/checkpoint/modelFiles.js";
import { SafetensorsFile } from "../../src/checkpoint/safetensors.js";
import { singleCommunicator } from "../../src/distributed/single.js";
import { type SupervisedSequence, supervisedBatch } from "../../src/model/batch.js";
import { DeepseekV3 } from "../../src/model/deepseekV3.js";
import { noBalanceLoss } from "../../src/model/router.js";
import { type DpoOptions, defaultDpo, dpoLoss, type PreferencePair } from "../../src/posttrain/preference/dpoLoss.js";
import { type Answers, pairLogprobs, weightedAnswers } from "../../src/posttrain/preference/pairLogprobs.js";
import { supervisedLoss } from "../../src/posttrain/supervisedLoss.js";
import { Tape } from "../../src/tensor/tape.js";
import { zeroGradients } from "../invariance/models.js";

/** Largest deviation, as a part of the largest value of the tensor. */
const tolerance = 1e-4;

const path = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
const file = new SafetensorsFile(path("posttraining/expected.safetensors"));
let model: DeepseekV3;
beforeAll(() => {
  model = new DeepseekV3(readConfig(path("v3-groups")), "float32", singleCommunicator());
  loadWeights(model, path("v3-groups"));
  model.weights.createGrads();
});
afterAll(() => model.free());

function bufferOf(name: string, dtype: string): ArrayBuffer {
  const entry = file.header.entries.get(name);
  if (entry?.dtype !== dtype) throw new Error(`${name}: ${entry?.dtype ?? "missing"}, expected ${dtype}`);
  return Uint8Array.from(file.bytes(entry)).buffer;
}
const floats = (name: string): Float32Array => new Float32Array(bufferOf(name, "F32"));
const ints = (name: string): Int32Array => new Int32Array(bufferOf(name, "I32"));

/** The records of one of the two, without their padding. */
function records(kind: "sft" | "dpo"): { readonly ids: Int32Array; readonly isTarget: Uint8Array }[] {
  const lengths = ints(`${kind}.lengths`);
  const [ids, targets] = [ints(`${kind}.ids`), ints(`${kind}.is_target`)];
  const width = ids.length / lengths.length;
  return Array.from(lengths, (length, row) => ({
    ids: ids.slice(row * width, row * width + length),
    isTarget: Uint8Array.from(targets.subarray(row * width, row * width + length)),
  }));
}

/** Gradients of the scaled losses of records packed side by side, divided, under the names of the file. */
async function gradientsOf(
  sequences: readonly SupervisedSequence[],
  divisor: number,
): Promise<Map<string, Float32Array>> {
  zeroGradients(model);
  using batch = supervisedBatch(model.arena, sequences, 0);
  using tape = new Tape(model.arena, { hasGrad: true });
  await model.losses(tape, batch, { globalTargets: divisor, globalSequences: 1, mtp: 0, balance: noBalanceLoss });
  await tape.backward();
  return new Map(
    model.parameters.flatMap((parameter) => {
      const all = parameter.grad?.floats();
      if (!all) return [];
      return hfTensors(model.config, parameter).map(({ name, slices }) => {
        const parts = slices.map(({ start, length }) => Array.from(all.subarray(start, start + length)));
        return [name, Float32Array.from(parts.flat())] as const;
      });
    }),
  );
}

/** What differs: each stored gradient is norm, largest value, and every so many-th element. */
function differences(kind: "sft" | "dpo", ours: ReadonlyMap<string, Float32Array>): string[] {
  const prefix = `${kind}.grad.`;
  const stored = [...file.header.entries.keys()].filter((name) => name.startsWith(prefix));
  expect(stored.map((name) => name.slice(prefix.length)).sort()).toEqual([...ours.keys()].sort());
  return stored.flatMap((name) => {
    const gradient = ours.get(name.slice(prefix.length)) ?? new Float32Array();
    const [norm = 0, largest = 0, ...samples] = floats(name);
    const stride = Math.ceil(gradient.length / 64);
    const found = samples.map((_, i) => gradient[i * stride] ?? Number.NaN);
    const off = samples.reduce((most, value, i) => Math.max(most, Math.abs(value - (found[i] ?? Number.NaN))), 0);
    const ownNorm = Math.hypot(...gradient);
    const isSame =
      samples.length === Math.ceil(gradient.length / stride) &&
      largest > 0 &&
      off <= tolerance * largest &&
      Math.abs(ownNorm - norm) <= tolerance * norm;
    return isSame ? [] : [`${name}: off by ${off} of ${largest}, norm ${ownNorm}, expected ${norm}`];
  });
}

describe("fine-tuning", () => {
  test("has the loss of the masked labels, and every gradient", async () => {
    const sequences = records("sft");
    const [expected = Number.NaN] = floats("sft.loss");
    const { loss, tokens } = await supervisedLoss(model, sequences, 20);
    expect(tokens).toBe(9 + 8 + 11);
    expect(Math.abs(loss - expected)).toBeLessThan(tolerance * expected);
    expect(differences("sft", await gradientsOf(sequences, tokens))).toEqual([]);
  });
});

describe("DPO", () => {
  const answers = records("dpo").map((record) => ({ ...record, promptLength: record.isTarget.indexOf(1) }));
  const pairs = Array.from({ length: answers.length / 2 }, (_, i): Answers => {
    const [chosen, rejected] = [answers[2 * i], answers[2 * i + 1]];
    if (!chosen || !rejected) throw new Error("the fixture has an odd number of answers");
    return { chosen, rejected };
  });
  const beta = 0.5;
  const variants: readonly DpoOptions[] = [
    { ...defaultDpo, beta },
    { ...defaultDpo, beta, labelSmoothing: 0.1 },
    { ...defaultDpo, beta, loss: "ipo" },
    { ...defaultDpo, beta, loss: "hinge" },
  ];

  async function known(): Promise<PreferencePair[]> {
    const policy = await pairLogprobs(model, pairs, 40);
    const reference = floats("dpo.reference");
    return pairs.map((_, i) => ({
      chosen: { policy: policy.chosen[i] ?? Number.NaN, reference: reference[2 * i] ?? Number.NaN, tokens: 1 },
      rejected: { policy: policy.rejected[i] ?? Number.NaN, reference: reference[2 * i + 1] ?? Number.NaN, tokens: 1 },
    }));
  }

  test("has the log-probabilities of the answers, the losses, and every gradient", async () => {
    const own = await known();
    const expected = floats("dpo.policy");
    own.forEach(({ chosen, rejected }, i) => {
      for (const [k, value] of [chosen.policy, rejected.policy].entries()) {
        const theirs = expected[2 * i + k] ?? Number.NaN;
        expect(Math.abs(value - theirs)).toBeLessThan(tolerance * Math.abs(theirs));
      }
    });
    const losses = floats("dpo.losses");
    for (const [i, options] of variants.entries()) {
      const theirs = losses[i] ?? Number.NaN;
      expect(Math.abs(dpoLoss(own, options).loss - theirs)).toBeLessThan(tolerance * theirs);
    }
    const { gradients } = dpoLoss(own, variants[1] ?? defaultDpo);
    expect(differences("dpo", await gradientsOf(weightedAnswers(pairs, gradients), 1))).toEqual([]);
  });
});
