/** Checkpoints in FP8: written in the published layout, and used as they are stored. */
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { convertCheckpoint } from "../../src/checkpoint/convert.js";
import { loadWeights, quantizedTo, readConfig, saveModel, storedAs } from "../../src/checkpoint/modelFiles.js";
import { openCheckpoint } from "../../src/checkpoint/openCheckpoint.js";
import { type FileDtype, writeSafetensors } from "../../src/checkpoint/safetensors.js";
import { singleCommunicator } from "../../src/distributed/single.js";
import { decode, prefill, SequenceCache } from "../../src/generate/forward.js";
import { DeepseekV3 } from "../../src/model/deepseekV3.js";
import { native } from "../../src/tensor/native.js";
import { gradients, pass, smallConfig, smallModel, tokenRows } from "../invariance/models.js";

// Sizes around 128: one block and a bit, whole blocks, less than one.
const config = smallConfig({
  hidden_size: 160,
  intermediate_size: 128,
  moe_intermediate_size: 72,
  kv_lora_rank: 130,
  qk_nope_head_dim: 30,
  v_head_dim: 40,
});
let folder = "";
const at = (name: string): string => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-fp8-"));
  const model = smallModel(config);
  saveModel(at("plain"), model);
  writeFileSync(join(at("plain"), "tokenizer_config.json"), "{}");
  model.free();
  convertCheckpoint(at("plain"), at("fp8"), "fp8");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Stored {
  readonly dtype: string;
  readonly shape: number[];
  readonly bytes: Buffer;
  /** Where the bytes begin in the file. */
  readonly begin: number;
}

/** A reader of its own. */
function tensorsOf(directory: string): Map<string, Stored> {
  const file = readFileSync(join(directory, "model.safetensors"));
  const base = 8 + Number(file.readBigUInt64LE(0));
  const header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> = JSON.parse(
    file.toString("utf8", 8, base),
  );
  return new Map(
    Object.entries(header)
      .filter(([name]) => name !== "__metadata__")
      .map(
        ([
          name,
          {
            dtype,
            shape,
            data_offsets: [from, to],
          },
        ]) => [name, { dtype, shape, bytes: file.subarray(base + from, base + to), begin: base + from }],
      ),
  );
}

function e4m3(byte: number): number {
  const [exponent, mantissa] = [(byte >> 3) & 15, byte & 7];
  const magnitude = exponent === 0 ? mantissa * 2 ** -9 : (1 + mantissa / 8) * 2 ** (exponent - 7);
  return byte & 128 ? -magnitude : magnitude;
}

function open(directory: string, isDirect: boolean, memory: "copied" | "mapped" = "copied"): DeepseekV3 {
  const found = readConfig(directory);
  const storage = isDirect ? storedAs(directory, found) : undefined;
  const model = new DeepseekV3(found, "float32", singleCommunicator(), storage);
  loadWeights(model, directory, undefined, memory);
  return model;
}

function furthest(a: Float32Array, b: Float32Array): number {
  const scale = b.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] ?? 0))), 0) / scale;
}

test("matrices of attention and feed-forward parts are E4M3 with scales, everything else is bfloat16", () => {
  const [plain, fp8] = [tensorsOf(at("plain")), tensorsOf(at("fp8"))];
  const unquantized = /embed_tokens|lm_head|norm|mlp\.gate\.|eh_proj|shared_head/;
  for (const [name, { shape, bytes }] of plain) {
    const found = fp8.get(name);
    expect(found?.shape, name).toEqual(shape);
    const scale = fp8.get(`${name}_scale_inv`);
    if (unquantized.test(name)) {
      expect(found?.dtype, name).toBe(name.endsWith("e_score_correction_bias") ? "F32" : "BF16");
      expect(scale, name).toBeUndefined();
      continue;
    }
    const [rows = 0, columns = 0] = shape;
    const across = Math.ceil(columns / 128);
    expect(found?.dtype, name).toBe("F8_E4M3");
    expect(scale, name).toMatchObject({ dtype: "F32", shape: [Math.ceil(rows / 128), across] });
    let worst = 0;
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) {
        const w = bytes.readFloatLE(4 * (i * columns + j));
        const s = scale!.bytes.readFloatLE(4 * (Math.floor(i / 128) * across + Math.floor(j / 128)));
        const q = e4m3(found!.bytes[i * columns + j]!) * s;
        // Half a step: 2^-4 of the value, or of the smallest normal one.
        worst = Math.max(worst, Math.abs(q - w) / Math.max(Math.abs(w) / 16, s * 2 ** -10));
      }
    expect(worst, name).toBeLessThanOrEqual(1.0001);
  }
  const json = JSON.parse(readFileSync(join(at("fp8"), "config.json"), "utf8"));
  expect(json.torch_dtype).toBe("bfloat16");
  expect(json.quantization_config).toEqual({
    activation_scheme: "dynamic",
    fmt: "e4m3",
    quant_method: "fp8",
    weight_block_size: [128, 128],
  });
  expect(readdirSync(at("fp8"))).toContain("tokenizer_config.json");
});

test("a model of FP8 weights keeps them as stored and computes what the expanded ones do", async () => {
  const [direct, expanded] = [open(at("fp8"), true), open(at("fp8"), false)];
  const stored = tensorsOf(at("fp8"));
  let quantized = 0;
  for (const { name, data, scales } of direct.parameters) {
    if (!scales) continue;
    quantized++;
    expect(data.dtype).toBe("float8_e4m3fn");
    const bytes = stored.get(name)?.bytes;
    if (bytes) expect(Buffer.compare(Buffer.from(data.bytes()), bytes), name).toBe(0);
  }
  expect(quantized).toBe(direct.parameters.filter(({ name }) => /(self_attn|mlp)\..*proj/.test(name)).length);
  const tokens = tokenRows(1, 40, config.vocabSize);
  const [caches, sizes] = [[direct, expanded].map((model) => new SequenceCache(model, 41)), [3, 40]];
  const [a, b] = await Promise.all([
    prefill(direct, caches[0]!, tokens.slice(0, 3)),
    prefill(expanded, caches[1]!, tokens.slice(0, 3)),
  ]);
  expect(furthest(a, b)).toBeLessThan(1e-5);
  for (let i = sizes[0]!; i < sizes[1]!; i++) {
    const absorbed = await decode(direct, caches[0]!, tokens[i]!);
    expect(furthest(absorbed, await decode(expanded, caches[1]!, tokens[i]!)), `token ${i}`).toBeLessThan(1e-5);
    using fresh = new SequenceCache(direct, i + 1);
    expect(furthest(absorbed, await prefill(direct, fresh, tokens.slice(0, i + 1))), `token ${i}`).toBeLessThan(1e-5);
  }
  for (const cache of caches) cache[Symbol.dispose]();
});

test("a mapped checkpoint computes to the same bits, and what lies together in its file is not copied", async () => {
  const [copied, mapped] = [open(at("fp8"), true), open(at("fp8"), true, "mapped")];
  // Left are the scales of rows, norms (bfloat16 in the file, float32 here) and matrices that are computed in float32.
  const taken = copied.arena.usedBytes - mapped.arena.usedBytes;
  const stored = copied.parameters.filter(({ scales }) => scales).reduce((sum, { data }) => sum + data.size, 0);
  expect(taken).toBeGreaterThanOrEqual(stored);
  const tokens = tokenRows(1, 12, config.vocabSize);
  using a = new SequenceCache(copied, 14);
  using b = new SequenceCache(mapped, 14);
  expect(await prefill(mapped, b, tokens)).toEqual(await prefill(copied, a, tokens));
  expect(await decode(mapped, b, 3)).toEqual(await decode(copied, a, 3));
  mapped.free();
  copied.free();
});

test("a file whose experts lie in another order is read all the same", async () => {
  // Alphabetical, as published files are: down, gate, up of each expert.
  const tensors = [...tensorsOf(at("fp8"))].sort(([a], [b]) => (a < b ? -1 : 1));
  const sources = tensors.map(([name, { dtype, shape, bytes }]) => ({
    name,
    dtype: dtype as FileDtype,
    shape,
    chunks: () => [bytes],
  }));
  mkdirSync(at("sorted"));
  writeSafetensors(join(at("sorted"), "model.safetensors"), sources);
  copyFileSync(join(at("fp8"), "config.json"), join(at("sorted"), "config.json"));
  const [one, other] = [open(at("fp8"), true, "mapped"), open(at("sorted"), true, "mapped")];
  const tokens = tokenRows(1, 12, config.vocabSize);
  using a = new SequenceCache(one, 12);
  using b = new SequenceCache(other, 12);
  expect(await prefill(other, b, tokens)).toEqual(await prefill(one, a, tokens));
});

test("gradients go through frozen FP8 weights to what is trained", async () => {
  const [direct, expanded] = [open(at("fp8"), true), open(at("fp8"), false)];
  const tokens = tokenRows(2, 12, config.vocabSize);
  const [x, y] = [
    await pass(direct, tokens, 12, { hasGrad: true }),
    await pass(expanded, tokens, 12, { hasGrad: true }),
  ];
  expect(x.total).toBeCloseTo(y.total, 5);
  const [mine, all] = [gradients(direct), gradients(expanded)];
  expect(mine.size).toBeLessThan(all.size);
  for (const [name, gradient] of mine) expect(furthest(gradient, all.get(name)!), name).toBeLessThan(1e-4);
});

test("back in float32 it is what the bytes and scales say", () => {
  convertCheckpoint(at("fp8"), at("back"), "f32");
  const [fp8, back] = [tensorsOf(at("fp8")), tensorsOf(at("back"))];
  expect([...back.keys()].sort()).toEqual([...tensorsOf(at("plain")).keys()].sort());
  const name = "model.layers.1.self_attn.kv_b_proj.weight";
  const [q, s, w] = [fp8.get(name)!, fp8.get(`${name}_scale_inv`)!, back.get(name)!];
  expect(w.dtype).toBe("F32");
  const columns = w.shape[1]!;
  const value = (i: number): number => {
    const scale = Math.floor(i / columns / 128) * Math.ceil(columns / 128) + Math.floor((i % columns) / 128);
    return Math.fround(e4m3(q.bytes[i]!) * s.bytes.readFloatLE(4 * scale));
  };
  const values = Array.from({ length: q.bytes.length }, (_, i) => w.bytes.readFloatLE(4 * i));
  expect(values).toEqual(values.map((_, i) => value(i)));
  expect(JSON.parse(readFileSync(join(at("back"), "config.json"), "utf8"))).not.toHaveProperty("quantization_config");
});

test("the head is left as it is where that is asked for, and only beside weights that are not", () => {
  const dtypes = [undefined, true].map((plainHead) => {
    const { model } = openCheckpoint(at("plain"), { weights: "int8", plainHead });
    return model.parameters.find(({ name }) => name === "lm_head.weight")?.data.dtype;
  });
  expect(dtypes).toEqual(["int8", readConfig(at("plain")).torchDtype]);
  expect(() => openCheckpoint(at("plain"), { plainHead: true })).toThrow(
    "--plain-head (plainHead) goes with --weights",
  );
});

test.each([
  ["float8_e4m3fn", 0, 1 / 28],
  ["int8", 1, 0.5 / 127],
  ["int4", 2, 0.5 / 7],
] as const)("weights can be quantised to %s while they are read", async (dtype, format, step) => {
  const models = [undefined, quantizedTo(dtype)].map((storage) => {
    const model = new DeepseekV3(config, "float32", singleCommunicator(), storage);
    loadWeights(model, at("plain"));
    return model;
  });
  const [exact, small] = [models[0]!, models[1]!];
  const formats = new Map(small.parameters.map(({ name, data }) => [name, data.dtype]));
  expect(formats.get("model.layers.1.mlp.experts.gate_up_proj")).toBe(dtype);
  // Rows of int4 are whole steps of 32; the latent of 130 stays as it is.
  expect(formats.get("model.layers.1.self_attn.kv_b_proj.weight")).toBe(dtype === "int4" ? "float32" : dtype);
  expect(formats.get("lm_head.weight")).toBe(dtype === "int4" ? "int8" : dtype);
  expect(formats.get("model.embed_tokens.weight")).toBe("float32");
  // The same weights in float32: each is off by half a step of its group's largest at most.
  for (const [i, { data, scales, shape, name }] of small.parameters.entries()) {
    if (!scales) continue;
    const plain = exact.parameters[i]!.data;
    const before = plain.toFloats();
    const [columns, { group }] = [shape.at(-1)!, scales];
    const rows = plain.size / columns;
    const [code, error] = dtype === "int4" && data.dtype === "int8" ? [1 as const, 0.5 / 127] : [format, step];
    native().dequantizeRows(plain.address, data.address, scales.values.address, rows, columns, group, code, 0);
    const after = plain.floats();
    let worst = 0;
    for (let row = 0; row < rows; row++)
      for (let first = row * columns; first < (row + 1) * columns; first += group) {
        const last = Math.min(first + group, (row + 1) * columns);
        const largest = before.subarray(first, last).reduce((most, w) => Math.max(most, Math.abs(w)), 0);
        for (let i = first; i < last; i++) worst = Math.max(worst, Math.abs(after[i]! - before[i]!) / largest);
      }
    expect(worst, name).toBeGreaterThan(0);
    expect(worst, name).toBeLessThanOrEqual(error * 1.0001);
  }
  const tokens = tokenRows(1, 20, config.vocabSize);
  using a = new SequenceCache(exact, 22);
  using b = new SequenceCache(small, 22);
  expect(furthest(await prefill(small, b, tokens), await prefill(exact, a, tokens))).toBeLessThan(1e-5);
  expect(furthest(await decode(small, b, 1), await decode(exact, a, 1))).toBeLessThan(1e-5);
});

describe("refused", () => {
  const file = (): string => join(at("fp8"), "model.safetensors");
  const name = "model.layers.0.self_attn.o_proj.weight";

  test.each([
    [name, "copied"],
    [name, "mapped"],
    ["model.layers.1.mlp.experts.1.up_proj.weight", "mapped"],
  ] as const)("a NaN among the weights of %s, by its element, %s", (tensor, memory) => {
    const whole = readFileSync(file());
    const bytes = Buffer.from(whole);
    bytes[tensorsOf(at("fp8")).get(tensor)!.begin + 77] = 0xff;
    writeFileSync(file(), bytes);
    expect(() => open(at("fp8"), true, memory)).toThrow(`${file()}: ${tensor} is NaN at element 77`);
    writeFileSync(file(), whole);
  });

  test("a scale that is no number", () => {
    const bytes = readFileSync(file());
    bytes.writeFloatLE(Number.POSITIVE_INFINITY, tensorsOf(at("fp8")).get(`${name}_scale_inv`)!.begin);
    writeFileSync(file(), bytes);
    expect(() => open(at("fp8"), true)).toThrow(`${name}_scale_inv[0] is Infinity, expected a number`);
  });

  test("scales that are missing, or for blocks of another size", () => {
    const text = readFileSync(file(), "latin1");
    writeFileSync(file(), text.replace(`${name}_scale_inv`, `${name}_scale_out`), "latin1");
    expect(() => open(at("fp8"), true)).toThrow(`${name} is F8_E4M3, but ${name}_scale_inv is missing`);
    writeFileSync(file(), text, "latin1");
    const json = JSON.parse(readFileSync(join(at("fp8"), "config.json"), "utf8"));
    json.quantization_config.weight_block_size = [64, 64];
    writeFileSync(join(at("fp8"), "config.json"), JSON.stringify(json));
    expect(() => open(at("fp8"), true)).toThrow(/_scale_inv has shape \[\d, \d\], expected \[\d, \d\] by config.json/);
  });

  test.each([true, false])("scales of another type than float32; kept as stored: %s", (isDirect) => {
    const scale = `${name}_scale_inv`;
    const sources = [...tensorsOf(at("fp8"))].map(([tensor, { dtype, shape, bytes }]) => {
      // The upper halves of float32 are bfloat16.
      const halves = Uint8Array.from(bytes.filter((_, i) => i % 4 >= 2));
      const [type, stored] = tensor === scale ? ["BF16", halves] : [dtype, bytes];
      return { name: tensor, dtype: type as FileDtype, shape, chunks: () => [stored] };
    });
    mkdirSync(at("narrow"));
    writeSafetensors(join(at("narrow"), "model.safetensors"), sources);
    copyFileSync(join(at("fp8"), "config.json"), join(at("narrow"), "config.json"));
    expect(() => open(at("narrow"), isDirect)).toThrow(
      new RangeError(`${join(at("narrow"), "model.safetensors")}: ${scale} is BF16, expected F32`),
    );
  });

  test("an FP8 model where weights are to be trained or saved, and a target that holds a model", () => {
    const model = open(at("fp8"), true);
    expect(() => saveModel(at("again"), model)).toThrow("is quantised: convert the checkpoint to bf16 first");
    expect(() => convertCheckpoint(at("plain"), at("fp8"), "bf16")).toThrow(`${at("fp8")}: there is a model already`);
  });

  test("nothing: a file without quantization_config has blocks of 128", () => {
    const json = JSON.parse(readFileSync(join(at("fp8"), "config.json"), "utf8"));
    delete json.quantization_config;
    writeFileSync(join(at("plain"), "config.json"), JSON.stringify(json));
    copyFileSync(file(), join(at("plain"), "model.safetensors"));
    expect(open(at("plain"), true).parameters.some(({ scales }) => scales !== null)).toBe(true);
  });
});
