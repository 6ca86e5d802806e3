/** Base and adapter as one checkpoint, and the ways to open the two beside each other. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { attachAdapter, saveAdapter } from "../../src/checkpoint/adapter.js";
import { readAdapter, type StoredAdapter } from "../../src/checkpoint/adapterFile.js";
import { convertCheckpoint, type Precision } from "../../src/checkpoint/convert.js";
import { readConfig, saveModel } from "../../src/checkpoint/modelFiles.js";
import { findModel } from "../../src/checkpoint/modelSource.js";
import { openCheckpoint } from "../../src/checkpoint/openCheckpoint.js";
import { resolveModelDirectory } from "../../src/checkpoint/runDirectory.js";
import { TensorFiles } from "../../src/checkpoint/tensorFiles.js";
import { readElements, readTensor } from "../../src/checkpoint/tensorIo.js";
import { loadModel } from "../../src/generate/loadModel.js";
import { type AdapterConfig, defaultAdapter } from "../../src/model/adapterConfig.js";
import { Arena } from "../../src/tensor/arena.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { buildTokenizerConfig, buildTokenizerJson } from "../../src/tokenizer/newTokenizer.js";
import { Tokenizer } from "../../src/tokenizer/tokenizer.js";
import { smallConfig, smallModel } from "../invariance/models.js";
import { noise } from "../kernels/memory.js";

const arena = new Arena();
const folder = mkdtempSync(join(tmpdir(), "fathom-merge-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

const tokenizer = Tokenizer.fromJson(buildTokenizerJson([]), buildTokenizerConfig());
const config = smallConfig({ vocab_size: tokenizer.vocabSize, initializer_range: 0.3 });

/** The same weights in three precisions. */
const bases: Readonly<Record<Precision, string>> = { f32: at("f32"), bf16: at("bf16"), fp8: at("fp8") };
saveModel(bases.f32, smallModel(config, 4));
tokenizer.save(bases.f32);
convertCheckpoint(bases.f32, bases.bf16, "bf16");
convertCheckpoint(bases.f32, bases.fp8, "fp8");

function adapterOver(base: string, name: string, changes: Partial<AdapterConfig> = {}): StoredAdapter {
  const { model } = openCheckpoint(base);
  const usual = { ...defaultAdapter, baseModelNameOrPath: base, targetModules: "all", r: 3, loraAlpha: 6 };
  attachAdapter(model, { ...usual, ...changes }, 3);
  model.adapter?.parts.forEach(({ adapter: { b } }, i) => {
    b.data.floats().set(noise(i, b.data.size, 0.2));
  });
  saveAdapter(model, at(name));
  model.free();
  return readAdapter(at(name));
}

const adapter = adapterOver(bases.f32, "adapter");

/** A tensor of a checkpoint in float32, dequantised if it is FP8. */
function floatsOf(files: TensorFiles, name: string): Float32Array {
  const { shape } = files.need(name);
  const whole = Tensor.empty(arena, shape, "float32");
  readTensor(files, { name, shape, slices: [{ start: 0, length: whole.size }] }, whole, 128);
  const floats = whole.floats().slice();
  whole.free();
  return floats;
}

describe.each(["f32", "bf16", "fp8"] as const)("a base in %s", (from) => {
  test.each(["f32", "bf16", "fp8"] as const)("with an adapter, written in %s, holds W + s B A rounded once", (to) => {
    const [merged, plain] = [at(`${from}-${to}`), at(`${from}-${to}-plain`)];
    convertCheckpoint(bases[from], merged, to, 1e9, adapter);
    convertCheckpoint(bases[from], plain, to);
    const [base, result, untouched] = [new TensorFiles(bases[from]), new TensorFiles(merged), new TensorFiles(plain)];
    expect([...result.tensors.keys()].sort()).toEqual([...untouched.tensors.keys()].sort());
    let adapted = 0;
    for (const name of untouched.tensors.keys()) {
      const module = name.replace(/\.weight$/, "");
      const pair = adapter.pairs.get(module);
      const found = result.need(name);
      expect([found.dtype, found.shape], name).toEqual([untouched.need(name).dtype, untouched.need(name).shape]);
      if (!pair) {
        if (!adapter.pairs.has(module.replace(/\.weight_scale_inv$/, ""))) {
          const same = Buffer.compare(found.file.bytes(found), untouched.need(name).file.bytes(untouched.need(name)));
          expect(same, name).toBe(0);
        }
        continue;
      }
      adapted++;
      const [w, is] = [floatsOf(base, name), floatsOf(result, name)];
      const [a, b] = [pair.a, pair.b].map((matrix) => {
        const values = Tensor.empty(arena, matrix.shape, "float32");
        readElements(matrix, 0, values, 0, values.size);
        const floats = values.floats().slice();
        values.free();
        return floats;
      });
      const [rows = 0, columns = 0] = found.shape;
      const largest = is.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      for (let i = 0; i < rows; i++)
        for (let j = 0; j < columns; j++) {
          let sum = w[i * columns + j]!;
          for (let r = 0; r < 3; r++) sum += 2 * b![i * 3 + r]! * a![r * columns + j]!;
          // Float32 sums; half a step of bfloat16; half a step of E4M3, or of its smallest values under the block's largest.
          const rounding =
            to === "f32"
              ? 1e-6
              : to === "bf16"
                ? Math.abs(sum) * 2 ** -8 + 1e-6
                : Math.max(Math.abs(sum) / 16, largest * 2 ** -19) + 1e-6;
          if (Math.abs(is[i * columns + j]! - sum) > rounding)
            expect.fail(`${name}[${i}, ${j}]: ${is[i * columns + j]}, expected ${sum}`);
        }
    }
    expect(adapted).toBe(adapter.pairs.size);
  });
});

test("merged and unmerged write the same text, with and without drafting, by path or by option", async () => {
  convertCheckpoint(bases.f32, at("merged"), "f32", 1e9, adapter);
  const texts = new Map<string, string>();
  const open = {
    base: () => loadModel(bases.f32, { threads: 1, cacheTokens: 512 }),
    merged: () => loadModel(at("merged"), { threads: 1, cacheTokens: 512 }),
    option: () => loadModel(bases.f32, { adapter: at("adapter"), threads: 1, cacheTokens: 512 }),
    path: () => loadModel(at("adapter"), { threads: 1, cacheTokens: 512 }),
    undrafted: () => loadModel(at("adapter"), { threads: 1, cacheTokens: 512, speculation: 0 }),
  };
  for (const [name, opening] of Object.entries(open)) {
    await using model = await opening();
    expect([model.info.directory, model.info.adapter]).toEqual([
      name === "merged" ? at("merged") : bases.f32,
      name === "base" || name === "merged" ? null : at("adapter"),
    ]);
    const { ids } = await model.generate("abc", { maxTokens: 24, temperature: 0 }).result();
    texts.set(name, ids.join(" "));
  }
  expect(texts.get("base")).not.toBe(texts.get("merged"));
  for (const name of ["option", "path", "undrafted"]) expect(texts.get(name), name).toBe(texts.get("merged"));
});

test("the merged model keeps the adapter's tokenizer where it has one", () => {
  const tuned = at("tuned");
  cpSync(at("adapter"), tuned, { recursive: true });
  writeFileSync(join(tuned, "tokenizer_config.json"), '{"chat_template":"tuned"}');
  convertCheckpoint(bases.f32, at("with-template"), "f32", 1e9, readAdapter(tuned));
  expect(readFileSync(join(at("with-template"), "tokenizer_config.json"), "utf8")).toBe('{"chat_template":"tuned"}');
  expect(readConfig(at("with-template"))).toEqual(readConfig(bases.f32));
});

test("an adapter of another model is not merged", () => {
  const wider = at("wider");
  saveModel(wider, smallModel(smallConfig({ hidden_size: 32 })));
  expect(() => convertCheckpoint(wider, at("no"), "f32", 1e9, adapter)).toThrow(
    "q_a_proj.lora_A.weight has shape [3, 24], expected [3, 32]: model.layers.0.self_attn.q_a_proj of the base model is [14, 32]",
  );
  const shallower = at("shallower");
  saveModel(shallower, smallModel(smallConfig({ num_hidden_layers: 2, num_nextn_predict_layers: 0 })));
  expect(() => convertCheckpoint(shallower, at("no"), "f32", 1e9, adapter)).toThrow(
    "has no model.layers.2.self_attn.q_a_proj.weight for an adapter",
  );
});

describe("findModel", () => {
  const none = async (name: string): Promise<string> => name;

  test("finds an adapter and its base by the way between them, wherever both are moved to", async () => {
    const [here, there] = [at("here"), at("there")];
    for (const place of [here, there]) mkdirSync(place, { recursive: true });
    cpSync(bases.f32, join(here, "base"), { recursive: true });
    adapterOver(join(here, "base"), "here/runs/tuned");
    const json = JSON.parse(readFileSync(join(here, "runs/tuned/adapter_config.json"), "utf8"));
    // An absolute path is kept as it was given; one from here becomes the way from the adapter.
    expect(json.base_model_name_or_path).toBe(join(here, "base"));
    writeFileSync(
      join(here, "runs/tuned/adapter_config.json"),
      JSON.stringify({ ...json, base_model_name_or_path: "../../base" }),
    );
    cpSync(here, there, { recursive: true });
    for (const place of [here, there]) {
      expect(await findModel(join(place, "runs/tuned"), undefined, none)).toEqual({
        directory: join(place, "base"),
        adapter: join(place, "runs/tuned"),
      });
    }
  });

  test("takes a run's newest checkpoint for an adapter too", async () => {
    const run = at("run");
    mkdirSync(join(run, "checkpoints"), { recursive: true });
    cpSync(at("adapter"), join(run, "checkpoints", "step-00000002"), { recursive: true });
    symlinkSync("step-00000002", join(run, "checkpoints", "latest"));
    const source = { directory: bases.f32, adapter: join(run, "checkpoints", "step-00000002") };
    expect(await findModel(run, undefined, none)).toEqual(source);
    expect(await findModel(bases.f32, run, none)).toEqual(source);
    expect(() => resolveModelDirectory(run)).toThrow("an adapter, where the weights themselves are wanted");
  });

  test("says what to do about a base that is not there, and about what is no adapter", async () => {
    const lost = at("lost");
    cpSync(at("adapter"), lost, { recursive: true });
    const json = JSON.parse(readFileSync(join(lost, "adapter_config.json"), "utf8"));
    const write = (base: unknown): void =>
      writeFileSync(join(lost, "adapter_config.json"), JSON.stringify({ ...json, base_model_name_or_path: base }));
    write("/home/trainer/models/base");
    await expect(findModel(lost, undefined, none)).rejects.toThrow(
      `${lost}: its base model /home/trainer/models/base (base_model_name_or_path) is not here; it may lie elsewhere, or on the hub: ` +
        "name the base as the model and the adapter beside it (--model BASE --adapter DIR)",
    );
    expect(await findModel(bases.f32, lost, none)).toEqual({ directory: bases.f32, adapter: lost });
    write(null);
    await expect(findModel(lost, undefined, none)).rejects.toThrow("names no base model");
    write(at("adapter"));
    await expect(findModel(lost, undefined, none)).rejects.toThrow(
      "an adapter, where the weights themselves are wanted",
    );
    await expect(findModel(bases.f32, bases.bf16, none)).rejects.toThrow("no adapter_config.json: not an adapter");
    await expect(findModel(lost, at("adapter"), none)).rejects.toThrow("is an adapter itself");
    write("hf:org/name@main");
    expect(await findModel(lost, undefined, async (name) => (name === "hf:org/name@main" ? bases.bf16 : name))).toEqual(
      {
        directory: bases.bf16,
        adapter: lost,
      },
    );
  });
});
