import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { smallConfig, smallModel, variants } from "../../test/invariance/models.js";
import { singleCommunicator } from "../distributed/single.js";
import type { ModelConfig } from "../model/config.js";
import { DeepseekV3 } from "../model/deepseekV3.js";
import { hfTensors } from "./hfNames.js";
import { checkSameModel, loadWeights, readConfig, saveModel, tensorSources, writeShards } from "./modelFiles.js";
import { type TensorSource, writeSafetensors } from "./safetensors.js";
import { TensorFiles } from "./tensorFiles.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-model-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A reader of its own: JSON and byte ranges, values as float64. */
function readAll(directory: string): Map<string, { dtype: string; shape: number[]; values: number[] }> {
  const result = new Map<string, { dtype: string; shape: number[]; values: number[] }>();
  for (const name of readdirSync(directory).filter((file) => file.endsWith(".safetensors"))) {
    const bytes = readFileSync(join(directory, name));
    const base = 8 + Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString("utf8", 8, base));
    for (const [key, { dtype, shape, data_offsets }] of Object.entries<{
      dtype: string;
      shape: number[];
      data_offsets: [number, number];
    }>(header)) {
      if (key === "__metadata__") continue;
      const data = bytes.subarray(base + data_offsets[0], base + data_offsets[1]);
      const width = dtype === "F32" ? 4 : 2;
      const word = Buffer.alloc(4);
      const values = Array.from({ length: data.length / width }, (_, i) => {
        if (width === 4) return data.readFloatLE(4 * i);
        word.writeUInt16LE(data.readUInt16LE(2 * i), 2);
        return word.readFloatLE(0);
      });
      result.set(key, { dtype, shape, values });
    }
  }
  return result;
}

const freshModel = (config: ModelConfig, dtype: "float32" | "bfloat16" = "float32"): DeepseekV3 =>
  new DeepseekV3(config, dtype, singleCommunicator());

function expectEqualWeights(a: DeepseekV3, b: DeepseekV3): void {
  expect(a.parameters.map(({ name }) => name)).toEqual(b.parameters.map(({ name }) => name));
  a.parameters.forEach(({ name, data }, i) => {
    expect(Buffer.compare(data.bytes(), b.parameters[i]!.data.bytes()), name).toBe(0);
  });
}

test.each(Object.entries(variants))("a saved model loads bit for bit: %s", (_, changes) => {
  for (const dtype of ["float32", "bfloat16"] as const) {
    const model = smallModel(smallConfig(changes), 3, dtype);
    saveModel(folder, model);
    const config = readConfig(folder);
    expect(config.torchDtype).toBe(dtype);
    checkSameModel(folder, model.config);
    const loaded = freshModel(config, dtype);
    expect(loadWeights(loaded, folder)).toEqual({ unexpected: [] });
    expectEqualWeights(loaded, model);
  }
});

test("tensors have the published names, shapes and rows", () => {
  const model = smallModel(smallConfig({ moe_layer_freq: 1 }), 5);
  saveModel(folder, model);
  const stored = readAll(folder);
  const values = (name: string): Float32Array => model.parameters.find((p) => p.name === name)!.data.floats();
  // The shapes of model.md B3 at d = 24, I = 40, m = 12, E = 8, heads 3 of 6 + 4 and 5, ranks 14 and 10, V = 61, one MTP module.
  const attention: [string, number[]][] = [
    ["q_a_proj.weight", [14, 24]],
    ["q_a_layernorm.weight", [14]],
    ["q_b_proj.weight", [30, 14]],
    ["kv_a_proj_with_mqa.weight", [14, 24]],
    ["kv_a_layernorm.weight", [10]],
    ["kv_b_proj.weight", [33, 10]],
    ["o_proj.weight", [24, 15]],
  ];
  const ffn = (prefix: string, width: number): [string, number[]][] => [
    [`${prefix}.gate_proj.weight`, [width, 24]],
    [`${prefix}.up_proj.weight`, [width, 24]],
    [`${prefix}.down_proj.weight`, [24, width]],
  ];
  const expected: [string, number[]][] = [0, 1, 2, 3].flatMap((layer) => {
    const l = `model.layers.${layer}`;
    const moe: [string, number[]][] = [
      [`${l}.mlp.gate.weight`, [8, 24]],
      [`${l}.mlp.gate.e_score_correction_bias`, [8]],
      ...[0, 1, 2, 3, 4, 5, 6, 7].flatMap((j) => ffn(`${l}.mlp.experts.${j}`, 12)),
      ...ffn(`${l}.mlp.shared_experts`, 12),
    ];
    const mtp: [string, number[]][] = [
      [`${l}.enorm.weight`, [24]],
      [`${l}.hnorm.weight`, [24]],
      [`${l}.eh_proj.weight`, [24, 48]],
      [`${l}.shared_head.norm.weight`, [24]],
      [`${l}.shared_head.head.weight`, [61, 24]],
      [`${l}.embed_tokens.weight`, [61, 24]],
    ];
    return [
      [`${l}.input_layernorm.weight`, [24]],
      [`${l}.post_attention_layernorm.weight`, [24]],
      ...attention.map(([name, shape]): [string, number[]] => [`${l}.self_attn.${name}`, shape]),
      ...(layer === 0 ? ffn(`${l}.mlp`, 40) : moe),
      ...(layer === 3 ? mtp : []),
    ];
  });
  expected.push(["model.embed_tokens.weight", [61, 24]], ["model.norm.weight", [24]], ["lm_head.weight", [61, 24]]);
  expect(Object.fromEntries([...stored].map(([name, { shape }]) => [name, shape]))).toEqual(
    Object.fromEntries(expected),
  );
  const up = stored.get("model.layers.0.mlp.up_proj.weight")!.values;
  expect(up).toEqual([...values("model.layers.0.mlp.gate_up_proj.weight").subarray(40 * 24)]);
  const experts = values("model.layers.2.mlp.experts.gate_up_proj");
  expect(stored.get("model.layers.2.mlp.experts.5.gate_proj.weight")!.values).toEqual([
    ...experts.subarray(5 * 24 * 24, 5 * 24 * 24 + 12 * 24),
  ]);
  expect(stored.get("model.layers.2.mlp.experts.5.up_proj.weight")!.values).toEqual([
    ...experts.subarray(5 * 24 * 24 + 12 * 24, 6 * 24 * 24),
  ]);
  expect(stored.get("model.layers.3.mlp.experts.7.down_proj.weight")!.values).toEqual([
    ...values("model.layers.3.mlp.experts.down_proj").subarray(7 * 24 * 12),
  ]);
  expect(stored.get("model.layers.3.embed_tokens.weight")).toEqual(stored.get("model.embed_tokens.weight"));
  expect(stored.get("model.layers.3.shared_head.head.weight")).toEqual(stored.get("lm_head.weight"));
});

test("keys and values of grouped-query attention lie head by head in ours and apart in the file", () => {
  const model = smallModel(
    smallConfig({ attention: "gqa", num_attention_heads: 4, num_key_value_heads: 2, head_dim: 6 }),
    5,
  );
  saveModel(folder, model);
  const stored = readAll(folder);
  const ours = model.parameters.find(({ name }) => name === "model.layers.1.self_attn.kv_proj.weight")!.data.floats();
  const [k, v] = ["k", "v"].map((kind) => stored.get(`model.layers.1.self_attn.${kind}_proj.weight`)!);
  expect([k!.shape, v!.shape]).toEqual([
    [12, 24],
    [12, 24],
  ]);
  for (let head = 0; head < 2; head++) {
    for (let at = 0; at < 6 * 24; at++) {
      expect(k!.values[head * 6 * 24 + at]).toBe(ours[head * 12 * 24 + at]);
      expect(v!.values[head * 6 * 24 + at]).toBe(ours[head * 12 * 24 + 6 * 24 + at]);
    }
  }
});

test("a type can be asked for; the routing bias stays float32", () => {
  const model = smallModel(smallConfig(), 3);
  saveModel(folder, model, { dtype: "bfloat16" });
  const stored = readAll(folder);
  const wide = [...stored].filter(([, { dtype }]) => dtype !== "BF16").map(([name, { dtype }]) => `${dtype} ${name}`);
  expect(wide).toEqual([1, 2, 3].map((l) => `F32 model.layers.${l}.mlp.gate.e_score_correction_bias`));
  const bias = model.moeLayers[0]!.moe.gate.eScoreCorrectionBias!.data.floats();
  expect(stored.get("model.layers.1.mlp.gate.e_score_correction_bias")!.values).toEqual([...bias]);
  const loaded = freshModel(readConfig(folder));
  loadWeights(loaded, folder);
  const [was, is] = [model.lmHead.data.floats(), loaded.lmHead.data.floats()];
  was.forEach((value, i) => {
    expect(Math.abs(is[i]! - value)).toBeLessThanOrEqual(Math.abs(value) / 256);
  });
  saveModel(folder, model, { dtype: "float16" });
  loadWeights(loaded, folder);
  was.forEach((value, i) => {
    expect(Math.abs(is[i]! - value)).toBeLessThanOrEqual(Math.abs(value) / 2048 + 2 ** -25);
  });
});

test("shards keep the limit and are found by the index", () => {
  const model = smallModel(smallConfig(), 3);
  saveModel(folder, model, { maxShardBytes: 20_000 });
  const index = JSON.parse(readFileSync(join(folder, "model.safetensors.index.json"), "utf8"));
  const stored = readAll(folder);
  const files = readdirSync(folder).filter((name) => name.endsWith(".safetensors"));
  expect(files.length).toBeGreaterThan(5);
  expect(files[0]).toBe(`model-00001-of-${String(files.length).padStart(5, "0")}.safetensors`);
  expect(new Set(Object.values(index.weight_map))).toEqual(new Set(files));
  expect(Object.keys(index.weight_map).sort()).toEqual([...stored.keys()].sort());
  const bytes = [...stored.values()].reduce((sum, { values }) => sum + 4 * values.length, 0);
  expect(index.metadata.total_size).toBe(bytes);
  for (const name of files) expect(readFileSync(join(folder, name)).length).toBeLessThan(20_000 + 8_000);
  const loaded = freshModel(readConfig(folder));
  loadWeights(loaded, folder);
  expectEqualWeights(loaded, model);
  rmSync(join(folder, files[2]!));
  expect(() => new TensorFiles(folder)).toThrow(
    `${join(folder, files[2]!)}: missing, though model.safetensors.index.json`,
  );
});

test("tensors that belong together stay in one shard", () => {
  const tensor = (name: string): TensorSource => ({
    ...{ name, shape: [100], dtype: "F32", chunks: () => [new Uint8Array(400)] },
  });
  writeShards(folder, [tensor("a"), [tensor("b"), tensor("c")], tensor("d")], 1000);
  const index = JSON.parse(readFileSync(join(folder, "model.safetensors.index.json"), "utf8"));
  const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => index.weight_map[name]);
  expect([a, b, c, d].map((file) => Number(/model-(\d+)/.exec(file)?.[1]))).toEqual([1, 2, 2, 3]);
});

test.each([
  ["../x.safetensors", /"\.\.\/x\.safetensors" of a is not a plain file name/],
  ["/etc/x.safetensors", /not a plain file name/],
  ["..", /not a plain file name/],
  ["sub/x.safetensors", /not a plain file name/],
  ["a\\b.safetensors", /not a plain file name/],
  ["", /not a/],
  ["pytorch_model.bin", /pytorch_model\.bin is not a safetensors file; pickled weights are never read/],
  [7, /7 of a is not a plain file name/],
])("an index that names the shard %j is refused", (shard, message) => {
  writeFileSync(join(folder, "model.safetensors.index.json"), JSON.stringify({ weight_map: { a: shard } }));
  expect(() => new TensorFiles(folder)).toThrow(message);
});

test("damaged indexes and pickles are refused with the reason", () => {
  const index = join(folder, "model.safetensors.index.json");
  expect(() => new TensorFiles(folder)).toThrow("neither model.safetensors nor model.safetensors.index.json");
  writeFileSync(join(folder, "pytorch_model.bin"), "PK");
  expect(() => new TensorFiles(folder)).toThrow(/pytorch_model\.bin is a pickle.*convert it to safetensors/);
  writeFileSync(index, '{"weight_map": {"a": "x.safetensors", "a": "y.safetensors"}}');
  expect(() => new TensorFiles(folder)).toThrow(/index\.json: key "a" appears twice/);
  writeFileSync(index, "{}");
  expect(() => new TensorFiles(folder)).toThrow(/weight_map is missing/);
  writeSafetensors(join(folder, "x.safetensors"), []);
  writeFileSync(index, '{"weight_map": {"a": "x.safetensors"}}');
  expect(() => new TensorFiles(folder)).toThrow(
    /x\.safetensors: no tensor a, which model\.safetensors\.index\.json puts there/,
  );
  expect(() => new TensorFiles(join(folder, "nowhere"))).toThrow(/nowhere: no such directory/);
});

/** The model's tensors with changes, written as one file. */
function rewrite(model: DeepseekV3, change: (sources: TensorSource[]) => TensorSource[]): void {
  saveModel(folder, model);
  const sources = tensorSources(model, { dtype: null, share: { rank: 0, size: 1 } }, true);
  writeSafetensors(join(folder, "model.safetensors"), change(sources));
}

test("missing tensors, wrong shapes and types are named; unexpected ones reported", () => {
  const model = smallModel(smallConfig(), 3);
  const target = freshModel(model.config);
  rewrite(model, (sources) => sources.filter(({ name }) => !/layers\.1\.mlp\.experts\.[3-6]\.up_proj/.test(name)));
  expect(() => loadWeights(target, folder)).toThrow(
    /: 4 of 133 tensors are missing: model\.layers\.1\.mlp\.experts\.3\.up_proj\.weight, .*5\.up_proj\.weight, \.\.\.$/,
  );
  rewrite(model, (sources) =>
    sources.map((s) => (s.name === "lm_head.weight" ? { ...s, shape: [...s.shape].reverse() } : s)),
  );
  expect(() => loadWeights(target, folder)).toThrow(
    /model\.safetensors: lm_head\.weight has shape \[24, 61\], expected \[61, 24\]/,
  );
  rewrite(model, (sources) => sources.map((s) => (s.name === "lm_head.weight" ? { ...s, dtype: "I32" } : s)));
  expect(() => loadWeights(target, folder)).toThrow(/lm_head\.weight is I32, expected one of F32, BF16, F16, F8_E4M3/);
  const extra = (name: string): TensorSource => ({ name, dtype: "F32", shape: [1], chunks: () => [new Uint8Array(4)] });
  rewrite(model, (sources) => [
    ...sources,
    extra("model.layers.0.self_attn.rotary_emb.inv_freq"),
    extra("model.layers.0.self_attn.o_proj.bias"),
  ]);
  expect(loadWeights(target, folder).unexpected).toEqual(["model.layers.0.self_attn.o_proj.bias"]);
});

test("MTP modules may come without the copies, and a file without MTP layers opens without them", () => {
  const model = smallModel(smallConfig({ num_nextn_predict_layers: 2 }), 3);
  rewrite(model, (sources) =>
    sources.filter(({ name }) => !/layers\.\d+\.(embed_tokens|shared_head\.head)/.test(name)),
  );
  const loaded = freshModel(readConfig(folder));
  loadWeights(loaded, folder);
  expectEqualWeights(loaded, model);
  rewrite(model, (sources) => sources.filter(({ name }) => !name.startsWith("model.layers.4.")));
  expect(readConfig(folder).numNextnPredictLayers).toBe(1);
  rewrite(model, (sources) => sources.filter(({ name }) => !/^model\.layers\.[34]\./.test(name)));
  const main = freshModel(readConfig(folder));
  expect(main.mtp.length).toBe(0);
  expect(loadWeights(main, folder)).toEqual({ unexpected: [] });
});

/** Value of an FP8 code by the definition of E4M3. */
function e4m3(code: number): number {
  const [exponent, mantissa] = [(code >> 3) & 15, code & 7];
  const magnitude = exponent === 0 ? mantissa * 2 ** -9 : (1 + mantissa / 8) * 2 ** (exponent - 7);
  return code & 0x80 ? -magnitude : magnitude;
}

test("FP8 weights are read by the scales of their blocks, also where names are fused and scales lie in another shard", () => {
  const config = smallConfig({
    attention: "gqa",
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 6,
    quantization_config: { quant_method: "fp8", fmt: "e4m3", weight_block_size: [8, 8] },
  });
  const model = smallModel(config, 3);
  saveModel(folder, model);
  const quantised = /self_attn\.[kvqo]_proj\.weight|(up|down|gate)_proj\.weight/;
  const expected = new Map<string, number[]>();
  const scales: TensorSource[] = [];
  const sources = tensorSources(model, { dtype: null, share: { rank: 0, size: 1 } }, true).map(
    (source): TensorSource => {
      if (!quantised.test(source.name)) return source;
      const [rows = 0, columns = 0] = source.shape;
      const codes = Uint8Array.from(
        { length: rows * columns },
        (_, i) => ((i * 37 + rows) % 127) | ((i % 3 === 0 ? 1 : 0) << 7),
      );
      const across = Math.ceil(columns / 8);
      const scale = Float32Array.from({ length: Math.ceil(rows / 8) * across }, (_, i) => 0.01 + i / 512);
      expected.set(
        source.name,
        Array.from(codes, (code, i) => {
          const block = Math.floor(i / columns / 8) * across + Math.floor((i % columns) / 8);
          return Math.fround(e4m3(code) * scale[block]!);
        }),
      );
      scales.push({
        name: `${source.name}_scale_inv`,
        dtype: "F32",
        shape: [Math.ceil(rows / 8), across],
        chunks: () => [new Uint8Array(scale.buffer)],
      });
      return { ...source, dtype: "F8_E4M3", chunks: () => [codes] };
    },
  );
  rmSync(join(folder, "model.safetensors"));
  writeSafetensors(join(folder, "w.safetensors"), sources);
  writeSafetensors(join(folder, "s.safetensors"), scales);
  const map = Object.fromEntries([
    ...sources.map(({ name }) => [name, "w.safetensors"] as const),
    ...scales.map(({ name }) => [name, "s.safetensors"] as const),
  ]);
  const writeIndex = (): void =>
    writeFileSync(join(folder, "model.safetensors.index.json"), JSON.stringify({ metadata: {}, weight_map: map }));
  writeIndex();
  const json = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
  writeFileSync(
    join(folder, "config.json"),
    JSON.stringify({ ...json, quantization_config: config.quantizationConfig }),
  );
  const loaded = freshModel(readConfig(folder));
  expect(loadWeights(loaded, folder)).toEqual({ unexpected: [] });
  saveModel(join(folder, "plain"), loaded);
  const plain = readAll(join(folder, "plain"));
  for (const [name, values] of expected) expect(plain.get(name)!.values, name).toEqual(values);
  expect(readConfig(join(folder, "plain")).quantizationConfig).toBeNull();
  const lost = scales[3]!.name;
  delete map[lost];
  writeSafetensors(
    join(folder, "s.safetensors"),
    scales.filter(({ name }) => name !== lost),
  );
  writeIndex();
  expect(() => loadWeights(loaded, folder)).toThrow(`is F8_E4M3, but ${lost} is missing`);
});

test("tensors at odd addresses are read too", () => {
  const model = smallModel(smallConfig(), 3);
  saveModel(folder, model);
  const path = join(folder, "model.safetensors");
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  // One more space in the header moves every tensor by a byte.
  const moved = Buffer.concat([bytes.subarray(0, 8 + length), Buffer.from(" "), bytes.subarray(8 + length)]);
  moved.writeBigUInt64LE(BigInt(length + 1));
  writeFileSync(path, moved);
  const loaded = freshModel(model.config);
  loadWeights(loaded, folder);
  expectEqualWeights(loaded, model);
});

test("a share of the experts has the names of its experts", () => {
  const names = hfTensors(smallConfig(), { name: "model.layers.1.mlp.experts.gate_up_proj", shape: [2, 24, 24] }, 3);
  expect(names.map(({ name, slices }) => [name, slices[0]!.start])).toEqual([
    ["model.layers.1.mlp.experts.6.gate_proj.weight", 0],
    ["model.layers.1.mlp.experts.6.up_proj.weight", 288],
    ["model.layers.1.mlp.experts.7.gate_proj.weight", 576],
    ["model.layers.1.mlp.experts.7.up_proj.weight", 864],
  ]);
});

test("another model is told by the first key that differs, another precision is not another model", () => {
  const model = smallModel(smallConfig(), 3);
  saveModel(folder, model);
  checkSameModel(folder, { ...model.config, torchDtype: "bfloat16" });
  expect(() => checkSameModel(folder, smallConfig({ num_experts_per_tok: 2 }))).toThrow(
    /config\.json: num_experts_per_tok is 3, expected 2 of the model to go on with/,
  );
});

test("a config that is missing or damaged is named", () => {
  expect(() => readConfig(join(folder, "x"))).toThrow(/x: no such directory/);
  expect(() => readConfig(folder)).toThrow(/config\.json: cannot be read \(no such file\)/);
  writeFileSync(join(folder, "config.json"), "{");
  expect(() => readConfig(folder)).toThrow(/config\.json: not valid JSON/);
});
