/**
 * Adapters against PEFT: what it computes with one of ours, and one of its own opened here. lora.mjs and lora.py beside this file made
 * the fixtures; nothing here needs Python.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { attachAdapter, loadAdapter, saveAdapter } from "../../src/checkpoint/adapter.js";
import { readAdapter, readAdapterConfig } from "../../src/checkpoint/adapterFile.js";
import { linearModules } from "../../src/checkpoint/adapterModules.js";
import { convertCheckpoint } from "../../src/checkpoint/convert.js";
import { findModel } from "../../src/checkpoint/modelSource.js";
import { openCheckpoint } from "../../src/checkpoint/openCheckpoint.js";
import { SafetensorsFile } from "../../src/checkpoint/safetensors.js";
import { mergeAdapter } from "../../src/model/adapter.js";
import { isTarget, parseAdapterConfig, rankOf, scaleOf } from "../../src/model/adapterConfig.js";
import { scoringBatch } from "../../src/model/batch.js";
import type { DeepseekV3 } from "../../src/model/deepseekV3.js";
import { noBalanceLoss } from "../../src/model/router.js";
import { Tape } from "../../src/tensor/tape.js";
import { expectClose } from "../kernels/memory.js";

const fixtures = fileURLToPath(new URL("fixtures", import.meta.url));
const base = join(fixtures, "v3-groups");
const adapters = ["ours", "theirs"] as const;
const folderOf = (name: string): string => join(fixtures, "lora", name);
const temporary = mkdtempSync(join(tmpdir(), "fathom-lora-"));
afterAll(() => rmSync(temporary, { recursive: true }));

class Tensors {
  readonly #file: SafetensorsFile;

  constructor(path: string) {
    this.#file = new SafetensorsFile(path);
  }

  names(prefix: string): string[] {
    return [...this.#file.header.entries.keys()].filter((name) => name.startsWith(prefix));
  }

  shape(name: string): readonly number[] {
    return this.#file.header.entries.get(name)?.shape ?? [];
  }

  floats(name: string): Float32Array {
    return new Float32Array(this.#buffer(name));
  }

  ints(name: string): Int32Array {
    return new Int32Array(this.#buffer(name));
  }

  #buffer(name: string): ArrayBuffer {
    const entry = this.#file.header.entries.get(name);
    if (!entry) throw new Error(`${this.#file.path}: no ${name}`);
    return Uint8Array.from(this.#file.bytes(entry)).buffer;
  }
}

const inputs = new Tensors(join(base, "expected.safetensors"));
const sequences = [0, 13].map((at) => inputs.ints("input_ids").slice(at, at + 13));

/** Within a part of 1e-4 of the largest value, as in transformers.test.ts. */
function expectNear(ours: ArrayLike<number>, theirs: Float32Array, what: string): void {
  const largest = theirs.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  expect(largest, `${what} is zero, which proves little`).toBeGreaterThan(0);
  expectClose(ours, theirs, 1e-4 * largest, 0, what);
}

async function logitsOf(model: DeepseekV3): Promise<Float32Array> {
  using batch = scoringBatch(model.arena, sequences, 0);
  using tape = new Tape(model.arena, { hasGrad: false });
  const context = { kind: "prefill", batch, cache: null } as const;
  const { normed } = await model.hidden(tape, batch.ids, context, batch.maxSequenceLength);
  return model.logits(tape, normed).toFloats();
}

describe.each(adapters)("the adapter %s", (name) => {
  const expected = new Tensors(join(folderOf(name), "expected.safetensors"));

  test("opens over the base that its config names, and gives PEFT's logits, unmerged and merged", async () => {
    const source = await findModel(folderOf(name));
    expect(source).toEqual({ directory: base, adapter: folderOf(name) });
    const { model } = openCheckpoint(source.directory, { adapter: source.adapter });
    const plain = inputs.floats("logits");
    const theirs = expected.floats("logits");
    expect(Math.max(...theirs.map((value, i) => Math.abs(value - (plain[i] ?? 0))))).toBeGreaterThan(0.5);
    expectNear(await logitsOf(model), theirs, "logits");
    mergeAdapter(model);
    expectNear(await logitsOf(model), theirs, "logits merged");
    model.free();
  });

  test("has PEFT's gradients of every A and B", async () => {
    const { model } = openCheckpoint(base, { adapter: folderOf(name) });
    model.weights.createGrads();
    using batch = scoringBatch(model.arena, sequences, 0);
    using tape = new Tape(model.arena, { hasGrad: true, recompute: true });
    const globalTargets = batch.numTargets[0] ?? 0;
    await model.losses(tape, batch, { globalTargets, globalSequences: 2, mtp: 0, balance: noBalanceLoss });
    await tape.backward();
    const names = new Set(expected.names("grad."));
    for (const { modules, adapter } of model.adapter?.parts ?? []) {
      for (const [expert, module] of modules.entries()) {
        for (const [kind, { grad }] of [
          ["lora_A", adapter.a],
          ["lora_B", adapter.b],
        ] as const) {
          const key = `grad.base_model.model.${module}.${kind}.weight`;
          const theirs = expected.floats(key);
          const at = expert * theirs.length;
          expectNear(grad?.floats().subarray(at, at + theirs.length) ?? [], theirs, key);
          names.delete(key);
        }
      }
    }
    expect([...names]).toEqual([]);
    model.free();
  });

  test("merged into a checkpoint gives the weights that PEFT merges", () => {
    const to = join(temporary, `merged-${name}`);
    convertCheckpoint(base, to, "f32", 1e9, readAdapter(folderOf(name)));
    const merged = new Tensors(join(to, "model.safetensors"));
    const names = expected.names("merged.");
    expect(names.length).toBe(4);
    for (const key of names)
      expectNear(merged.floats(`${key.slice("merged.".length)}.weight`), expected.floats(key), key);
  });
});

test("our adapter is the one that PEFT read, to the byte", () => {
  const { model } = openCheckpoint(base);
  attachAdapter(model, readAdapterConfig(folderOf("ours")), 7);
  for (const { adapter } of model.adapter?.parts ?? []) {
    adapter.b.data.floats().forEach((_, i, b) => {
      b[i] = 0.1 * Math.sin(3 * i + 1);
    });
  }
  const to = join(temporary, "ours");
  saveAdapter(model, to);
  for (const file of ["adapter_config.json", "adapter_model.safetensors"]) {
    expect(Buffer.compare(readFileSync(join(to, file)), readFileSync(join(folderOf("ours"), file))), file).toBe(0);
  }
});

test("an adapter of PEFT's comes back from a round trip here with its values, its meaning and its base", async () => {
  const { model } = openCheckpoint(base);
  loadAdapter(model, folderOf("theirs"));
  const to = join(temporary, "theirs");
  saveAdapter(model, to);
  const file = "adapter_model.safetensors";
  const [before, after] = [new Tensors(join(folderOf("theirs"), file)), new Tensors(join(to, file))];
  expect(after.names("").sort()).toEqual(before.names("").sort());
  for (const name of before.names("")) {
    expect(after.shape(name)).toEqual(before.shape(name));
    expect(after.floats(name)).toEqual(before.floats(name));
  }
  const configs = [folderOf("theirs"), to].map((folder) =>
    JSON.parse(readFileSync(join(folder, "adapter_config.json"), "utf8")),
  );
  for (const key of [
    "r",
    "lora_alpha",
    "rank_pattern",
    "alpha_pattern",
    "target_modules",
    "exclude_modules",
    "use_rslora",
  ]) {
    expect(configs[1][key], key).toEqual(configs[0][key]);
  }
});

test("targets, ranks and scales are those of PEFT's rule", () => {
  interface Matching {
    readonly names: readonly string[];
    readonly cases: readonly {
      readonly config: unknown;
      readonly found: readonly (readonly [string, number, number])[];
    }[];
  }
  const { names, cases } = JSON.parse(readFileSync(join(fixtures, "lora", "matching.json"), "utf8")) as Matching;
  const { model } = openCheckpoint(base);
  // All that PEFT sees as linear may have an adapter here, but for the head.
  expect(
    linearModules(model)
      .map(({ name }) => name)
      .sort(),
  ).toEqual(names.filter((name) => name !== "lm_head").sort());
  for (const { config: json, found } of cases) {
    const config = parseAdapterConfig(json, JSON.stringify(json), (text) => expect.fail(text));
    const ours = names.filter((name) => isTarget(config, name));
    expect(ours).toEqual(found.map(([name]) => name));
    for (const [name, rank, scale] of found) {
      expect(rankOf(config, name), name).toBe(rank);
      expect(scaleOf(config, name), name).toBeCloseTo(scale, 12);
    }
  }
});
