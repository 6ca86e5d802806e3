/** The DPO stage on a tiny model: where it starts, what it learns, that it resumes to the bit, and what two processes make. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runLocalRanks } from "../../../test/distributed/localRanks.js";
import { smallConfig, smallModel, zeroGradients } from "../../../test/invariance/models.js";
import {
  checkpointHashes,
  type StagePlace,
  stageInput,
  stagePlace,
  timeless,
  told,
} from "../../../test/posttrain/stageRun.js";
import { noBalanceLoss } from "../../model/router.js";
import { Tape } from "../../tensor/tape.js";
import { supervisedMicroBatch } from "../../train/trainer.js";
import { type DpoInput, type DpoStageOptions, dpo } from "./dpo.js";
import { defaultDpo, dpoLoss } from "./dpoLoss.js";
import { type Answers, pairLogprobs, weightedAnswers } from "./pairLogprobs.js";

/** A prompt of three tokens, an answer to it and an end. */
function pair(seed: number): Answers {
  const answer = (shift: number, length: number): Answers["chosen"] => {
    const ids = Int32Array.from({ length: 3 + length }, (_, i) => (i < 3 ? 5 + seed * 3 + i : 30 + shift + i) % 61);
    return { ids, isTarget: Uint8Array.from(ids, (_, i) => (i >= 3 ? 1 : 0)), promptLength: 3 };
  };
  return { chosen: answer(seed % 4, 2 + (seed % 3)), rejected: answer(11 + (seed % 5), 3) };
}
const pairs = Array.from({ length: 7 }, (_, i) => pair(i));
const heldOut = [pair(9), pair(12), pair(17)];

const options: DpoStageOptions = { ...defaultDpo, epochs: 4, pairsPerStep: 4 };
const settings = { learningRate: 3e-3, minLearningRate: 3e-3, saveEvery: 3, validateEvery: 2 };

let place: StagePlace;
beforeAll(() => {
  place = stagePlace();
});
afterAll(() => place.remove());

async function input(run: string, changes: Partial<DpoInput> = {}): Promise<DpoInput> {
  return { ...(await stageInput(place, run, settings)), options, pairs, validation: heldOut, ...changes };
}

describe("the DPO stage", () => {
  test("starts at ln 2 with every pair tied, and learns to prefer the chosen answers", async () => {
    const { steps, validations, result } = await told(dpo(await input("learns")));
    expect(steps).toHaveLength(7); // 28 pairs, 4 a step
    const [first, last] = [steps[0], steps.at(-1)];
    expect(first?.loss).toBeCloseTo(Math.LN2, 12);
    expect(first?.preference?.rewards).toEqual({ chosen: 0, rejected: 0, margin: 0, accuracy: 0 });
    expect(first?.preference?.logprobs?.chosen).toBeLessThan(0);
    expect(last?.loss).toBeLessThan(0.5 * Math.LN2);
    expect(last?.preference?.rewards.accuracy).toBe(1);
    expect(last?.preference?.rewards.margin).toBeGreaterThan(0.5);
    expect(validations.map(({ step }) => step)).toEqual([2, 4, 6, 7]);
    expect(validations[0]?.valAccuracy).toBe(validations[0]?.preference?.rewards.accuracy);
    expect(validations[0]?.preference?.count).toBe(3);
    expect(result.tokens).toBe(
      4 * pairs.reduce((sum, { chosen, rejected }) => sum + chosen.ids.length + rejected.ids.length, 0),
    );
    const best = validations.reduce((low, each) => (each.valLoss < low.valLoss ? each : low));
    const marked = readFileSync(join(place.folder, "learns/checkpoints/best/trainer.json"), "utf8");
    expect(JSON.parse(marked)).toMatchObject({ stage: "dpo", step: best.step });
  });

  test.each([
    ["ipo", 25], // (0 - 1 / (2 * 0.1))^2
    ["hinge", 1],
  ] as const)("starts at the worked value of the %s loss", async (loss, expected) => {
    const run = `start-${loss}`;
    const { steps } = await told(
      dpo(await input(run, { options: { ...options, loss }, settings: { ...place.settings, maxSteps: 1 } })),
    );
    expect(steps[0]?.loss).toBeCloseTo(expected, 9);
  });

  test("goes on to the bit where it was interrupted, from the reference in the run's directory", async () => {
    const straight = await told(dpo(await input("straight")));
    const stopped = await input("stopped");
    await told(dpo({ ...stopped, settings: { ...stopped.settings, maxSteps: 3 } }));
    const reference = join(stopped.run, "reference.json");
    expect(readFileSync(reference, "utf8")).toBe(readFileSync(join(place.folder, "straight/reference.json"), "utf8"));
    // The base is not needed again: a resumed run that asked it would fail here.
    const resumed = await told(
      dpo({ ...stopped, base: join(place.folder, "gone"), resumeFrom: join(stopped.run, "checkpoints/step-00000003") }),
    );
    expect(resumed.steps.map(timeless)).toEqual(straight.steps.slice(3).map(timeless));
    expect(resumed.validations.map(timeless)).toEqual(straight.validations.slice(1).map(timeless));
    expect(checkpointHashes(stopped.run)).toEqual(checkpointHashes(join(place.folder, "straight")));
    const resumeFrom = join(stopped.run, "checkpoints/latest");
    await expect(told(dpo({ ...stopped, pairs: pairs.slice(1), resumeFrom }))).rejects.toThrow(
      "the records are not those that the run began with",
    );
    await expect(told(dpo({ ...stopped, validation: [pair(1)], resumeFrom }))).rejects.toThrow(
      "reference.json: made of other pairs",
    );
    writeFileSync(reference, readFileSync(reference, "utf8").replace(/"chosen":\[[^,]+,/, '"chosen":['));
    await expect(told(dpo({ ...stopped, resumeFrom }))).rejects.toThrow("training.chosen must be 7 numbers: damaged?");
  });

  test("two processes make what one makes", async () => {
    const steps = { ...settings, maxSteps: 3 };
    const one = await told(dpo(await input("one", { settings: { ...place.settings, ...steps } })));
    const two = await runLocalRanks(2, async (world) => {
      const parts = await stageInput(place, "two", steps, world);
      return told(dpo({ ...parts, options, pairs, validation: heldOut }));
    });
    expect(existsSync(join(place.folder, "two/run.json"))).toBe(true);
    for (const rank of two) {
      expect(rank.steps).toHaveLength(3);
      for (const [i, step] of rank.steps.entries()) {
        const expected = one.steps[i];
        // Gradients are summed in another order: float32 differs in its last digits.
        expect(step.loss).toBeCloseTo(expected?.loss ?? Number.NaN, 5);
        expect(step.gradNorm / (expected?.gradNorm ?? Number.NaN)).toBeCloseTo(1, 4);
        expect(step.preference?.count).toBe(4);
        for (const side of ["chosen", "rejected", "margin"] as const) {
          expect(step.preference?.rewards[side]).toBeCloseTo(expected?.preference?.rewards[side] ?? Number.NaN, 5);
        }
        expect(step.preference?.logprobs?.chosen).toBeCloseTo(expected?.preference?.logprobs?.chosen ?? Number.NaN, 4);
      }
      expect(rank.validations.at(-1)?.valLoss).toBeCloseTo(one.validations.at(-1)?.valLoss ?? Number.NaN, 5);
    }
    expect(two[1]?.steps.map(timeless)).toEqual(two[0]?.steps.map(timeless));
  });

  test("options out of range, and smoothing of a loss without labels, are refused", async () => {
    const refused = async (changes: Partial<DpoStageOptions>): Promise<unknown> =>
      told(dpo(await input("refused", { options: { ...options, ...changes } })));
    await expect(refused({ beta: 0 })).rejects.toThrow("beta must be above 0 and at most 1000, got 0");
    await expect(refused({ labelSmoothing: 0.6 })).rejects.toThrow("label smoothing must be from 0 to 0.5, got 0.6");
    await expect(refused({ labelSmoothing: 0.1, loss: "ipo" })).rejects.toThrow("not for ipo");
    await expect(refused({ pairsPerStep: 0 })).rejects.toThrow("records a step must be 1 or more, got 0");
  });

  test("a signal while the reference is asked ends it before anything is trained", async () => {
    const stop = new AbortController();
    stop.abort(new RangeError("interrupted"));
    await expect(told(dpo(await input("interrupted", { signal: stop.signal })))).rejects.toThrow("interrupted");
    expect(existsSync(join(place.folder, "interrupted/checkpoints"))).toBe(false);
  });
});

test.each([
  { ...defaultDpo, beta: 0.7 },
  { ...defaultDpo, loss: "ipo", sft: 0.3 },
] as const)("the gradient of the loss through the model is its central difference: %o", async (of) => {
  const model = smallModel(smallConfig({ num_nextn_predict_layers: 0 }));
  model.weights.createGrads();
  const known = async (): Promise<Parameters<typeof dpoLoss>[0]> => {
    const policy = await pairLogprobs(model, heldOut, 64);
    return heldOut.map(({ chosen }, i) => ({
      chosen: { policy: policy.chosen[i] ?? 0, reference: -9 - i, tokens: chosen.ids.length - 3 },
      rejected: { policy: policy.rejected[i] ?? 0, reference: -8 + i, tokens: 3 },
    }));
  };
  const total = async (): Promise<number> => dpoLoss(await known(), of).loss;
  zeroGradients(model);
  const { gradients } = dpoLoss(await known(), of);
  using batch = supervisedMicroBatch(weightedAnswers(heldOut, gradients), false).make(model.arena, 0);
  using tape = new Tape(model.arena, { hasGrad: true });
  await model.losses(tape, batch, { globalTargets: 1, globalSequences: 1, mtp: 0, balance: noBalanceLoss });
  await tape.backward();
  for (const name of ["lm_head.weight", "model.norm.weight", "model.layers.0.self_attn.o_proj.weight"]) {
    const parameter = model.parameters.find((each) => each.name === name);
    const values = parameter?.data.floats() ?? new Float32Array();
    const got = parameter?.grad?.floats() ?? new Float32Array();
    const at = got.reduce((best, value, i) => (Math.abs(value) > Math.abs(got[best] ?? 0) ? i : best), 0);
    const [value, step] = [values[at] ?? 0, 5e-3];
    values[at] = value + step;
    const above = await total();
    values[at] = value - step;
    const below = await total();
    values[at] = value;
    const difference = (above - below) / (2 * step);
    expect(Math.abs(difference)).toBeGreaterThan(1e-2);
    expect(Math.abs((got[at] ?? 0) - difference), `${name}[${at}]: ${got[at]} and ${difference}`).toBeLessThan(
      5e-3 * Math.abs(difference),
    );
  }
  model.free();
});
