/**
 * Logits and every gradient of our model against those of Hugging Face transformers, for tiny random models that transformers wrote.
 * make_fixtures.py beside this file made the fixtures and says what they hold; nothing here needs Python.
 */
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { hfTensors } from "../../src/checkpoint/hfNames.js";
import { loadWeights, readConfig } from "../../src/checkpoint/modelFiles.js";
import { SafetensorsFile } from "../../src/checkpoint/safetensors.js";
import { singleCommunicator } from "../../src/distributed/single.js";
import { scoringBatch } from "../../src/model/batch.js";
import { DeepseekV3 } from "../../src/model/deepseekV3.js";
import { noBalanceLoss } from "../../src/model/router.js";
import { Tape } from "../../src/tensor/tape.js";

/** Largest deviation, as a part of the largest value of the tensor. */
const tolerance = 1e-4;

/** What transformers computed. */
class Expected {
  readonly #file: SafetensorsFile;

  constructor(directory: string) {
    this.#file = new SafetensorsFile(`${directory}/expected.safetensors`);
  }

  get gradientNames(): string[] {
    return Array.from(this.#file.header.entries.keys())
      .filter((name) => name.startsWith("grad."))
      .map((name) => name.slice("grad.".length));
  }

  floats(name: string): Float32Array {
    return new Float32Array(this.#buffer(name, "F32"));
  }

  /** One array for each sequence. */
  sequences(): Int32Array[] {
    const [rows = 0, length = 0] = this.#file.header.entries.get("input_ids")?.shape ?? [];
    const ids = new Int32Array(this.#buffer("input_ids", "I32"));
    return Array.from({ length: rows }, (_, row) => ids.slice(row * length, (row + 1) * length));
  }

  #buffer(name: string, dtype: string): ArrayBuffer {
    const entry = this.#file.header.entries.get(name);
    if (entry?.dtype !== dtype) throw new Error(`${name}: ${entry?.dtype ?? "missing"}, expected ${dtype}`);
    return Uint8Array.from(this.#file.bytes(entry)).buffer;
  }
}

interface Deviation {
  readonly name: string;
  readonly deviation: number;
  readonly largest: number;
}

function deviationOf(name: string, ours: Float32Array, theirs: Float32Array): Deviation {
  if (ours.length !== theirs.length) throw new Error(`${name}: ${ours.length} values, expected ${theirs.length}`);
  let deviation = 0;
  let largest = 0;
  theirs.forEach((value, i) => {
    const difference = Math.abs((ours[i] ?? Number.NaN) - value);
    if (!(difference <= deviation)) deviation = difference;
    largest = Math.max(largest, Math.abs(value));
  });
  return { name, deviation, largest };
}

/** Lines for the tensors that deviate too far. */
function failures(deviations: readonly Deviation[]): string[] {
  return deviations
    .filter(({ deviation, largest }) => !(deviation <= tolerance * largest))
    .map(({ name, deviation, largest }) => `${name}: off by ${deviation}, largest value ${largest}`);
}

interface Fixture {
  readonly model: DeepseekV3;
  readonly expected: Expected;
}

function open(name: string): Fixture {
  const directory = fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
  const model = new DeepseekV3(readConfig(directory), "float32", singleCommunicator());
  expect(loadWeights(model, directory).unexpected).toEqual([]);
  return { model, expected: new Expected(directory) };
}

async function logitsOf({ model, expected }: Fixture): Promise<Deviation> {
  using batch = scoringBatch(model.arena, expected.sequences(), 0);
  using tape = new Tape(model.arena, { hasGrad: false });
  const context = { kind: "prefill", batch, cache: null } as const;
  const { normed } = await model.hidden(tape, batch.ids, context, batch.maxSequenceLength);
  return deviationOf("logits", model.logits(tape, normed).floats(), expected.floats("logits"));
}

/** Our gradients under the names of the file, of the mean cross-entropy of all next tokens. */
async function gradientsOf({ model, expected }: Fixture, recompute: boolean): Promise<Map<string, Float32Array>> {
  model.weights.createGrads();
  using batch = scoringBatch(model.arena, expected.sequences(), 0);
  using tape = new Tape(model.arena, { hasGrad: true, recompute });
  await model.losses(tape, batch, {
    globalTargets: batch.numTargets[0] ?? 0,
    globalSequences: batch.numSequences,
    mtp: 0,
    balance: noBalanceLoss,
  });
  await tape.backward();
  const gradients = new Map<string, Float32Array>();
  for (const parameter of model.parameters) {
    const all = parameter.grad?.floats();
    if (!all) continue;
    for (const { name, slices } of hfTensors(model.config, parameter)) {
      gradients.set(
        name,
        Float32Array.from(slices.flatMap((s) => Array.from(all.subarray(s.start, s.start + s.length)))),
      );
    }
  }
  return gradients;
}

describe.each(["v3-groups", "v3-plain", "v2-softmax"])("the model %s of transformers", (name) => {
  test("has the same logits here", async () => {
    const fixture = open(name);
    const deviation = await logitsOf(fixture);
    expect(deviation.largest).toBeGreaterThan(1);
    expect(failures([deviation])).toEqual([]);
    fixture.model.free();
  });

  test.each([false, true])("has the same gradient of every parameter here (recompute %s)", async (recompute) => {
    const fixture = open(name);
    const gradients = await gradientsOf(fixture, recompute);
    const names = fixture.expected.gradientNames;
    expect(Array.from(gradients.keys()).sort()).toEqual(names.sort());
    const deviations = names.map((of) =>
      deviationOf(of, gradients.get(of) ?? new Float32Array(0), fixture.expected.floats(`grad.${of}`)),
    );
    // Every expert was chosen by some token, so no comparison is of zeros.
    expect(deviations.filter(({ largest }) => largest === 0)).toEqual([]);
    expect(failures(deviations)).toEqual([]);
    fixture.model.free();
  });
});
