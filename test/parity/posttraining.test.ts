/**
 * Losses of fine-tuning, DPO, reward models and GRPO, and their gradients, against those that TRL's trainers compute: with records that are
 * padded, on the right or the left, labels masked with -100, and gradients from autograd. posttraining.py beside this file made the fixture and
 * says what it holds; nothing here needs Python.
 */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hfTensors } from "../../src/checkpoint/hfNames.js";
import { loadWeights, readConfig } from "../../src/checkpoint/modelFiles.js";
import { SafetensorsFile } from "../../src/checkpoint/safetensors.js";
import { singleCommunicator } from "../../src/distributed/single.js";
import { inferenceBatch, type SupervisedSequence, supervisedBatch } from "../../src/model/batch.js";
import { DeepseekV3 } from "../../src/model/deepseekV3.js";
import { noBalanceLoss } from "../../src/model/router.js";
import { ValueHead } from "../../src/model/valueHead.js";
import {
  defaultPolicyLoss,
  type PolicyLossOptions,
  type PolicySample,
  policyLoss,
} from "../../src/posttrain/grpo/policyLoss.js";
import { type DpoOptions, defaultDpo, dpoLoss, type PreferencePair } from "../../src/posttrain/preference/dpoLoss.js";
import { type Answers, pairLogprobs, weightedAnswers } from "../../src/posttrain/preference/pairLogprobs.js";
import { defaultRewardLoss, type RewardLossOptions, rewardLoss } from "../../src/posttrain/preference/rewardLoss.js";
import { recordLogprobs, supervisedLoss } from "../../src/posttrain/supervisedLoss.js";
import { Tape } from "../../src/tensor/tape.js";
import { zeroGradients } from "../invariance/models.js";

/** Largest deviation: of a figure as a part of it, of a tensor as a part of its largest value. */
const tolerance = 1e-4;
/** As the script has them. */
const [beta, temperature, maxLength] = [0.5, 0.8, 9];

const path = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
const file = new SafetensorsFile(path("posttraining/expected.safetensors"));

/** The model of the fixture, with room for gradients; a head on it is made before that. */
function modelOf(before: (model: DeepseekV3) => void = () => {}): DeepseekV3 {
  const model = new DeepseekV3(readConfig(path("v3-groups")), "float32", singleCommunicator());
  loadWeights(model, path("v3-groups"));
  before(model);
  model.weights.createGrads();
  return model;
}
let model: DeepseekV3;
beforeAll(() => {
  model = modelOf();
});
afterAll(() => model.free());

function bufferOf(name: string, dtype: string): ArrayBuffer {
  const entry = file.header.entries.get(name);
  if (entry?.dtype !== dtype) throw new Error(`${name}: ${entry?.dtype ?? "missing"}, expected ${dtype}`);
  return Uint8Array.from(file.bytes(entry)).buffer;
}
const floats = (name: string): Float32Array => new Float32Array(bufferOf(name, "F32"));
const ints = (name: string): Int32Array => new Int32Array(bufferOf(name, "I32"));

type Kind = "sft" | "dpo" | "reward" | "grpo";
interface Given {
  readonly ids: Int32Array;
  readonly isTarget: Uint8Array;
  readonly promptLength: number;
}

/** The records of a kind, without their padding. */
function records(kind: Kind): readonly Given[] {
  const lengths = ints(`${kind}.lengths`);
  const [ids, targets] = [ints(`${kind}.ids`), ints(`${kind}.is_target`)];
  const width = ids.length / lengths.length;
  return Array.from(lengths, (length, row) => {
    const isTarget = Uint8Array.from(targets.subarray(row * width, row * width + length));
    return { ids: ids.slice(row * width, row * width + length), isTarget, promptLength: isTarget.indexOf(1) };
  });
}

/** Chosen answers stand before the rejected ones. */
function pairsOf<T>(answers: ArrayLike<T>): { readonly chosen: T; readonly rejected: T }[] {
  const half = answers.length / 2;
  return Array.from({ length: half }, (_, i) => ({ chosen: answers[i] as T, rejected: answers[half + i] as T }));
}

function expectFigures(got: ArrayLike<number>, name: string): void {
  const expected = floats(name);
  expect(got.length, name).toBe(expected.length);
  for (const [i, theirs] of expected.entries()) {
    const off = Math.abs((got[i] ?? Number.NaN) - theirs);
    expect(off, `${name}[${i}]: ${got[i]}, expected ${theirs}`).toBeLessThan(tolerance * Math.abs(theirs));
  }
}

/** Gradients of what `run` goes back through, under the names of the file. */
async function gradientsOf(of: DeepseekV3, run: (tape: Tape) => Promise<unknown>): Promise<Map<string, Float32Array>> {
  zeroGradients(of);
  using tape = new Tape(of.arena, { hasGrad: true });
  await run(tape);
  await tape.backward();
  return new Map(
    of.parameters.flatMap((parameter) => {
      const all = parameter.grad?.floats();
      if (!all) return [];
      return hfTensors(of.config, parameter).map(({ name, slices }) => {
        const parts = slices.map(({ start, length }) => Array.from(all.subarray(start, start + length)));
        return [name, Float32Array.from(parts.flat())] as const;
      });
    }),
  );
}

/** Of the scaled losses of records packed side by side, divided. */
async function supervisedGradients(
  sequences: readonly SupervisedSequence[],
  divisor: number,
  ofTemperature = 1,
): Promise<Map<string, Float32Array>> {
  using batch = supervisedBatch(model.arena, sequences, 0);
  const weights = { globalTargets: divisor, globalSequences: 1, mtp: 0, balance: noBalanceLoss };
  return await gradientsOf(model, (tape) => model.losses(tape, batch, { ...weights, temperature: ofTemperature }));
}

/** What differs: each stored gradient is norm, largest value, and every so many-th element. */
function differences(kind: Kind | "gspo", ours: ReadonlyMap<string, Float32Array>): string[] {
  const prefix = `${kind}.grad.`;
  const stored = [...file.header.entries.keys()].filter((name) => name.startsWith(prefix));
  expect(stored.map((name) => name.slice(prefix.length)).sort()).toEqual([...ours.keys()].sort());
  return stored.flatMap((name) => {
    const gradient = ours.get(name.slice(prefix.length)) ?? new Float32Array();
    const [norm = 0, largest = 0, ...samples] = floats(name);
    const stride = Math.ceil(gradient.length / 32);
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

test("fine-tuning has TRL's loss of the masked labels, and every gradient", async () => {
  const sequences = records("sft");
  const { loss, tokens } = await supervisedLoss(model, sequences, 20);
  expect(tokens).toBe(9 + 8 + 11);
  expectFigures([loss], "sft.loss");
  expect(differences("sft", await supervisedGradients(sequences, tokens))).toEqual([]);
});

describe("DPO", () => {
  const pairs: readonly Answers[] = pairsOf(records("dpo"));
  const reference = pairsOf(floats("dpo.reference"));
  const tokensOf = ({ isTarget }: Given): number => isTarget.reduce((sum, each) => sum + each, 0);

  /** @param isMean per token, as TRL's IPO has it */
  async function known(isMean: boolean): Promise<PreferencePair[]> {
    const policy = await pairLogprobs(model, pairs, 40);
    return pairs.map((pair, i) => {
      const of = (side: "chosen" | "rejected"): PreferencePair["chosen"] => {
        const tokens = tokensOf(pair[side] as Given);
        const divisor = isMean ? tokens : 1;
        const [own = Number.NaN, theirs = Number.NaN] = [policy[side][i], reference[i]?.[side]];
        return { policy: own / divisor, reference: theirs / divisor, tokens };
      };
      return { chosen: of("chosen"), rejected: of("rejected") };
    });
  }

  test("has TRL's log-probabilities of the answers, its losses, and every gradient", async () => {
    const { chosen, rejected } = await pairLogprobs(model, pairs, 40);
    expectFigures([...chosen, ...rejected], "dpo.policy");
    const sums = await known(false);
    const of = (loss: DpoOptions["loss"], on: readonly PreferencePair[]): number =>
      dpoLoss(on, { ...defaultDpo, beta, loss }).loss;
    expectFigures([of("sigmoid", sums), of("ipo", await known(true)), of("hinge", sums)], "dpo.losses");
    const { gradients } = dpoLoss(sums, { ...defaultDpo, beta });
    expect(differences("dpo", await supervisedGradients(weightedAnswers(pairs, gradients), 1))).toEqual([]);
  });
});

test("a reward model has TRL's scores, its losses with centring and margins, and every gradient of head and model", async () => {
  let head: ValueHead | undefined;
  const scorer = modelOf((on) => {
    head = new ValueHead(on, { hasBias: false });
  });
  if (!head) throw new Error("internal: no head");
  head.weight.data.floats().set(floats("reward.head"));
  const pairs = pairsOf(records("reward"));
  const margins = floats("reward.margins");
  const answers = pairs.flatMap(({ chosen, rejected }) => [chosen, rejected]);
  using batch = inferenceBatch(
    scorer.arena,
    answers.map(({ ids }) => ids),
  );
  const scored = { batch, promptLengths: answers.map(({ promptLength }) => promptLength) };
  const scores = await head.scores(scored);
  expectFigures(
    [0, 2, 4, 1, 3, 5].map((i) => scores[i] ?? Number.NaN),
    "reward.scores",
  );
  const lossOf = (of: ArrayLike<number>, options: Partial<RewardLossOptions>, hasMargins = false): number =>
    rewardLoss(
      pairs.map((pair, i) => ({ ...pair, margin: hasMargins ? (margins[i] ?? Number.NaN) : null })),
      of,
      { ...defaultRewardLoss, ...options },
    ).loss / pairs.length;
  const centring = 0.05;
  expectFigures([lossOf(scores, {}), lossOf(scores, { centring }), lossOf(scores, {}, true)], "reward.losses");
  const gradients = await gradientsOf(scorer, (tape) => {
    const weights = { globalTargets: pairs.length, globalSequences: 1, mtp: 0, balance: noBalanceLoss };
    const items = pairs.map((pair) => ({ ...pair, margin: null }));
    return (head as ValueHead).losses(tape, scored, weights, (own) => rewardLoss(items, own, { centring, margin: 0 }));
  });
  expect(gradients.get("lm_head.weight")?.every((value) => value === 0)).toBe(true); // scores have no part in it
  gradients.delete("lm_head.weight");
  gradients.set("score.weight", head.weight.grad?.floats().slice() ?? new Float32Array());
  expect(differences("reward", gradients)).toEqual([]);
  scorer.free();
});

describe("GRPO", () => {
  const answers = records("grpo");
  const width = Math.max(...answers.map(({ ids }) => ids.length));

  async function samples(): Promise<PolicySample[]> {
    const now = await recordLogprobs(model, answers, temperature, 40);
    const [advantages, old, reference] = ["advantages", "old", "reference"].map((name) => floats(`grpo.${name}`));
    return answers.map(({ promptLength, ids }, row) => {
      const stored = (values: Float32Array | undefined): Float32Array =>
        values?.slice(row * width + promptLength, row * width + ids.length) ?? new Float32Array();
      return {
        advantage: advantages?.[row] ?? Number.NaN,
        logprobs: now[row]?.logprobs.subarray(promptLength) ?? [],
        oldLogprobs: stored(old),
        refLogprobs: stored(reference),
        samplerLogprobs: null,
        entropies: now[row]?.entropies.subarray(promptLength) ?? null,
        isMasked: false,
      };
    });
  }

  /** In the order of the script's. */
  const variants: readonly Partial<PolicyLossOptions>[] = [
    { beta: 0.04, epsilonHigh: 0.28 },
    { ratio: "sequence", epsilonLow: 0.02, epsilonHigh: 0.03 },
    { aggregation: "token-mean", epsilonHigh: 0.28 },
    { aggregation: "constant", maxLength },
    // What TRL caps at 1.2 is the weight itself.
    { ratio: "cispo", aggregation: "token-mean", epsilonHigh: 0.2 },
    { beta: 0.2, weighsKl: true },
    { delta: 1.1 },
    { topEntropy: 0.5 },
    { offPolicyLimit: 0 },
  ];
  const optionsOf = (changes: Partial<PolicyLossOptions> = {}): PolicyLossOptions => ({
    ...defaultPolicyLoss,
    beta: 0,
    ...changes,
  });

  test("has TRL's losses of given answers, by tokens, by sequences and in its variants", async () => {
    const given = await samples();
    const lossOf = (changes: Partial<PolicyLossOptions>): number => policyLoss(given, optionsOf(changes)).metrics.loss;
    const losses = variants.map(lossOf);
    expectFigures(losses, "grpo.losses");
    // The variants act: none has the loss of plain GRPO.
    for (const loss of losses) expect(Math.abs(loss - lossOf({}))).toBeGreaterThan(100 * tolerance * Math.abs(loss));
  });

  test.each([
    ["grpo", 0],
    ["gspo", 1],
  ] as const)("has every gradient of %s, through logits divided by the temperature", async (kind, variant) => {
    const { gradients, metrics } = policyLoss(await samples(), optionsOf(variants[variant]));
    expect(metrics.clipLow + metrics.clipHigh).toBeGreaterThan(0.2);
    const sequences = answers.map(({ ids, isTarget, promptLength }, i) => {
      const scales = new Float32Array(ids.length);
      gradients[i]?.forEach((value, t) => {
        scales[promptLength + t] = -value; // a row's loss is -logprob
      });
      return { ids, isTarget, scales };
    });
    expect(differences(kind, await supervisedGradients(sequences, 1, temperature))).toEqual([]);
  });
});
