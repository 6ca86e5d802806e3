/** The reward stage on a tiny model: where it starts, what it learns and leaves, that it resumes to the bit, and ranks. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runLocalRanks } from "../../../test/distributed/localRanks.js";
import { sampleOf } from "../../../test/posttrain/samples.js";
import {
  checkpointHashes,
  type StagePlace,
  stageInput,
  stagePlace,
  timeless,
  tokenizer,
  told,
} from "../../../test/posttrain/stageRun.js";
import { verifyManifest } from "../../checkpoint/manifest.js";
import { openCheckpoint } from "../../checkpoint/openCheckpoint.js";
import { openRewards } from "../reward/openRewards.js";
import { type RewardInput, type RewardOptions, reward } from "./reward.js";
import { answersOf, type RewardItem } from "./rewardLoss.js";
import { openRewardModel } from "./rewardModel.js";

function answer(seed: number, shift: number, length: number) {
  const ids = Int32Array.from({ length: 3 + length }, (_, i) => (i < 3 ? 5 + seed * 3 + i : 30 + shift + i) % 61);
  return { ids, isTarget: Uint8Array.from(ids, (_, i) => (i >= 3 ? 1 : 0)), promptLength: 3 };
}
function pair(seed: number): RewardItem {
  return { chosen: answer(seed, seed % 4, 2 + (seed % 3)), rejected: answer(seed, 11 + (seed % 5), 3), margin: null };
}
const items: readonly RewardItem[] = [
  ...Array.from({ length: 6 }, (_, i) => pair(i)),
  { ...answer(7, 1, 4), isDesirable: true },
  { ...answer(8, 13, 2), isDesirable: false },
];
const heldOut = [pair(9), pair(12), { ...answer(10, 2, 3), isDesirable: true }];

const options: RewardOptions = {
  epochs: 5,
  itemsPerStep: 4,
  hasBias: false,
  pooling: "last",
  centring: 0.01,
  margin: 0,
};
const settings = { learningRate: 3e-3, minLearningRate: 3e-3, saveEvery: 4, validateEvery: 3 };

let place: StagePlace;
beforeAll(() => {
  place = stagePlace();
});
afterAll(() => place.remove());

async function input(run: string, changes: Partial<RewardInput> = {}): Promise<RewardInput> {
  return { ...(await stageInput(place, run, settings)), options, items, validation: heldOut, ...changes };
}

describe("the reward stage", () => {
  test.each(["last", "sum"] as const)(
    "starts at ln 2 and learns the order; its checkpoint is a model with a head, and scores as in training (%s)",
    async (pooling) => {
      const given = await input(`learns-${pooling}`, { options: { ...options, pooling, epochs: 8 } });
      const { steps, validations } = await told(reward(given));
      expect(steps).toHaveLength(16); // 64 items, 4 a step
      expect(steps[0]?.loss).toBeCloseTo(Math.LN2, 12);
      expect(steps[0]?.preference?.scores).toEqual({ mean: 0, min: 0, max: 0 });
      const last = steps.at(-1);
      expect(last?.loss).toBeLessThan(0.5 * Math.LN2);
      expect(last?.preference?.rewards.accuracy).toBe(1);
      expect(validations.map(({ step }) => step)).toEqual([3, 6, 9, 12, 15, 16]);
      const { preference, calibration, valAccuracy, lengthCorrelation } = validations.at(-1) ?? {};
      expect(preference?.count).toBe(3);
      expect(valAccuracy).toBe(preference?.rewards.accuracy);
      expect(calibration?.bins.reduce((sum, { count }) => sum + count, 0)).toBe(3);
      expect(lengthCorrelation).toBeTypeOf("number");

      const checkpoint = join(given.run, "checkpoints/latest");
      verifyManifest(checkpoint);
      const manifest = JSON.parse(readFileSync(join(checkpoint, "manifest.json"), "utf8"));
      expect(Object.keys(manifest.files)).toEqual(expect.arrayContaining(["value_head.safetensors", "reward.json"]));
      const asModel = openCheckpoint(checkpoint);
      expect(asModel.unexpected).toEqual([]);
      asModel.model.free();
      using opened = openRewardModel(given.run, { microBatchTokens: 7 });
      expect(opened.description).toEqual({
        maxLength: place.settings.maxLength,
        centring: 0.01,
        margin: 0,
        pooling,
      });
      const scores = await opened.score(heldOut.flatMap(answersOf));
      expect(Math.min(...scores)).toBe(preference?.scores?.min);
      expect(Math.max(...scores)).toBe(preference?.scores?.max);
      await expect(opened.score([{ ids: new Int32Array(65), promptLength: 1 }])).rejects.toThrow(
        "sequence 0 has 65 tokens, expected 1 to 64",
      );
      const plain = opened.encode({ form: "text", text: "a" }, { form: "text", text: "b" });
      expect(plain.ids.at(-1)).toBe(tokenizer.eosTokenId);
      expect(tokenizer.decode(plain.ids.subarray(1, -1))).toBe("ab");
      expect(plain.promptLength).toBe(2);

      // As a reward: by its directory, with the ids that training had, and without the end where the answer was cut.
      const { rewards, close } = await openRewards([`model:${given.run}`], {
        column: null,
        maxLength: 64,
        sandbox: null,
      });
      expect(rewards.map(({ name }) => name)).toEqual([`model:${given.run}`]);
      const chat = sampleOf("4", { messages: [{ role: "user", content: "2+2" }] });
      const text = sampleOf("b", { prompt: `${tokenizer.bosToken}a` });
      const samples = [chat, { ...chat, finishReason: "length" as const }, text];
      const shown = opened.encode(
        { form: "messages", messages: [{ role: "user", content: "2+2", weight: 0 }] },
        { form: "messages", messages: [{ role: "assistant", content: "4", weight: 1 }] },
      );
      expect(shown).toMatchObject({ promptLength: 6 });
      expect(shown.ids).toHaveLength(8); // begin, user, three characters, assistant, one more, end
      const expected = await opened.score([shown, { ...shown, ids: shown.ids.subarray(0, -1) }, plain]);
      expect(await rewards[0]?.score(samples)).toEqual(Array.from(expected));
      expect(new Set(expected).size).toBe(3);
      await close();
    },
  );

  test("goes on to the bit where it was interrupted, the head's moments included", async () => {
    const biased = { ...options, hasBias: true };
    const straight = await told(reward(await input("straight", { options: biased })));
    const stopped = await input("stopped", { options: biased });
    await told(reward({ ...stopped, settings: { ...stopped.settings, maxSteps: 4 } }));
    const resumeFrom = join(stopped.run, "checkpoints/step-00000004");
    const resumed = await told(reward({ ...stopped, resumeFrom }));
    expect(resumed.steps.map(timeless)).toEqual(straight.steps.slice(4).map(timeless));
    expect(checkpointHashes(stopped.run)).toEqual(checkpointHashes(join(place.folder, "straight")));
    const latest = join(stopped.run, "checkpoints/latest");
    const otherwise = { ...biased, pooling: "sum" } as const;
    await expect(told(reward(await input("otherwise", { base: latest, options: otherwise })))).rejects.toThrow(
      "a reward model with pooling last cannot go on with sum; give --pooling last",
    );
    const others = [pair(30), ...items.slice(1)];
    await expect(told(reward({ ...stopped, items: others, resumeFrom: latest }))).rejects.toThrow(
      "the records are not those that the run began with",
    );
    const turned = items.map((item) => ("isDesirable" in item ? { ...item, isDesirable: !item.isDesirable } : item));
    await expect(told(reward({ ...stopped, items: turned, resumeFrom: latest }))).rejects.toThrow(
      "not those that the run",
    );
    rmSync(join(latest, "value_head.safetensors"));
    await expect(told(reward({ ...stopped, resumeFrom: latest }))).rejects.toThrow("value_head.safetensors: missing");
  });

  test("goes on from the head of a reward model that it begins with", async () => {
    const first = await input("first");
    await told(reward({ ...first, settings: { ...first.settings, maxSteps: 4 } }));
    const base = join(first.run, "checkpoints/latest");
    const { steps } = await told(reward(await input("second", { base, settings: { ...first.settings, maxSteps: 1 } })));
    expect(steps[0]?.preference?.scores?.max).toBeGreaterThan(0);
    const biased = { ...options, hasBias: true };
    await expect(told(reward(await input("third", { base, options: biased })))).rejects.toThrow(
      "holds value_head.weight, expected value_head.weight, value_head.bias",
    );
  });

  test("two processes make what one makes", async () => {
    const parts = { ...settings, maxSteps: 3 };
    const one = await told(reward(await input("one", { settings: { ...place.settings, ...parts } })));
    const two = await runLocalRanks(2, async (world) =>
      told(reward({ ...(await stageInput(place, "two", parts, world)), options, items, validation: heldOut })),
    );
    for (const rank of two) {
      for (const [i, step] of rank.steps.entries()) {
        const expected = one.steps[i];
        // Gradients are summed in another order: float32 differs in its last digits.
        expect(step.loss).toBeCloseTo(expected?.loss ?? Number.NaN, 5);
        expect(step.gradNorm / (expected?.gradNorm ?? Number.NaN)).toBeCloseTo(1, 4);
        expect(step.preference?.count).toBe(4);
        expect(step.preference?.rewards.margin).toBeCloseTo(expected?.preference?.rewards.margin ?? Number.NaN, 5);
        expect(step.preference?.scores?.max).toBeCloseTo(expected?.preference?.scores?.max ?? Number.NaN, 5);
      }
      expect(rank.validations.at(-1)?.valLoss).toBeCloseTo(one.validations.at(-1)?.valLoss ?? Number.NaN, 5);
    }
    expect(two[1]?.steps.map(timeless)).toEqual(two[0]?.steps.map(timeless));
  });

  test("what is no reward model, and options out of range, are refused", async () => {
    expect(() => openRewardModel(place.base)).toThrow("no value_head.safetensors: not a reward model");
    const given = await input("refused", { options: { ...options, centring: -1 } });
    await expect(told(reward(given))).rejects.toThrow("centring must be from 0 to 100, got -1");
    const damaged = join(place.folder, "learns-last/checkpoints/latest/reward.json");
    writeFileSync(damaged, '{"version":1,"maxLength":"long"}');
    expect(() => openRewardModel(join(place.folder, "learns-last"))).toThrow("must be numbers");
  });
});
