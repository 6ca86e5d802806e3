import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { loadWeights, readConfig } from "../../src/checkpoint/modelFiles.js";
import { singleCommunicator } from "../../src/distributed/single.js";
import { scoreTokens } from "../../src/eval/bitsPerByte.js";
import { scoringBatch } from "../../src/model/batch.js";
import { DeepseekV3 } from "../../src/model/deepseekV3.js";
import { Tape } from "../../src/tensor/tape.js";
import { goldenYarn, writeGoldenModel } from "./h10.js";

const folder = mkdtempSync(join(tmpdir(), "fathom-golden-"));
const plain = join(folder, "plain");
const yarn = join(folder, "yarn");
const written = writeGoldenModel(plain, null);
writeGoldenModel(yarn, goldenYarn);
afterAll(() => rmSync(folder, { recursive: true }));

const ids = [3, 1, 4, 1, 5, 9];

function open(directory: string): DeepseekV3 {
  const model = new DeepseekV3(readConfig(directory), "float32", singleCommunicator());
  loadWeights(model, directory);
  return model;
}

function near(found: readonly number[], expected: readonly number[]): void {
  expect(found.length).toBe(expected.length);
  // 1e-4 is the specification's bound for float32; the figures have six decimals.
  expected.forEach((value, i) => {
    expect(Math.abs((found[i] ?? Number.NaN) - value), `value ${i}: ${found[i]}, expected ${value}`).toBeLessThan(1e-4);
  });
}

test("the checkpoint is the one the specification describes", () => {
  expect([written.tensors, written.elements]).toEqual([95, 4091]);
  near(written.first.get("lm_head.weight") ?? [], [-0.16342984, -0.22842243, 0.22229178]);
  near(written.first.get("model.layers.0.self_attn.kv_b_proj.weight") ?? [], [0.23810036, 0.15030626, -0.27683263]);
  near(written.first.get("model.layers.2.eh_proj.weight") ?? [], [0.04023367, 0.28962799, -0.11486761]);
});

describe("the golden model", () => {
  test("has the hidden states, logits and experts of the specification", async () => {
    const model = open(plain);
    using batch = scoringBatch(model.arena, [ids], 0);
    using tape = new Tape(model.arena, { hasGrad: false });
    const routed: { experts: number[][]; weights: number[][] }[] = [];
    const { raw, normed } = await model.hidden(
      tape,
      batch.ids,
      { kind: "prefill", batch, cache: null },
      ids.length,
      (_, { routing }) => {
        const rows = <T extends Int32Array | Float32Array>(values: T): number[][] =>
          ids.map((_, row) => Array.from(values.subarray(3 * row, 3 * row + 3)));
        routed.push({ experts: rows(routing.experts.ints()), weights: rows(routing.weights.floats()) });
      },
    );
    expect(routed[0]?.experts).toEqual([
      [2, 1, 3],
      [1, 6, 7],
      [3, 4, 2],
      [2, 1, 3],
      [5, 4, 6],
      [2, 1, 3],
    ]);
    near(
      routed[0]?.weights.flat() ?? [],
      [
        0.92853, 0.725956, 0.845514, 0.855114, 0.792229, 0.852657, 0.945368, 0.909824, 0.644808, 0.903708, 0.794514,
        0.801778, 0.946723, 0.946098, 0.607179, 0.936781, 0.821437, 0.741782,
      ],
    );
    near(
      Array.from(raw.floats().subarray(40)),
      [0.186684, -0.535512, -0.016269, 1.183563, -0.951063, -0.720327, 1.438916, -0.329733],
    );
    const logits = model.logits(tape, normed).floats();
    near(Array.from(logits.subarray(0, 4)), [1.422584, 0.937039, -0.463611, -1.411502]);
    near(
      Array.from(logits.subarray(80)),
      [
        1.278856, 0.333305, -0.937749, -1.293005, -0.385522, 0.898458, 1.305012, 0.437101, -0.857679, -1.314857,
        -0.487956, 0.815479, 1.322523, 0.538002, -0.771928, -1.327999,
      ],
    );
    model.free();
  });

  test("scores as the specification says, main and MTP, without and with YaRN", async () => {
    const model = open(plain);
    const [scores] = await scoreTokens(model, [ids]);
    const of = (values: readonly (number | null)[] | undefined): number[] =>
      (values ?? []).flatMap((value) => (value === null ? [] : [-value]));
    expect(scores?.logprobs[0]).toBeNull();
    near(of(scores?.logprobs), [2.355007, 2.655314, 1.903255, 2.574735, 2.041416]);
    expect(scores?.mtpLogprobs[0]?.slice(0, 2)).toEqual([null, null]);
    near(of(scores?.mtpLogprobs[0]), [2.328508, 2.207968, 3.857752, 3.771941]);
    model.free();
    const longer = open(yarn);
    const [stretched] = await scoreTokens(longer, [ids]);
    const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    near([mean(of(stretched?.logprobs)), mean(of(stretched?.mtpLogprobs[0]))], [2.2890985, 3.0515716]);
    longer.free();
  });
});
