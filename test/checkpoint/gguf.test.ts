/** GGUF files, read back by a reader of the format written here and compared with the checkpoint's own tensors. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { exportGguf, type GgufPrecision, type GgufVocabulary } from "../../src/checkpoint/ggufExport.js";
import { saveModel } from "../../src/checkpoint/modelFiles.js";
import { smallConfig, smallModel } from "../invariance/models.js";

const config = smallConfig({
  hidden_size: 64,
  moe_intermediate_size: 32,
  intermediate_size: 96,
  qk_nope_head_dim: 24,
  v_head_dim: 32,
});
const vocabulary: GgufVocabulary = {
  tokens: ["<s>", "a", null, "Ġb"],
  isControl: [true, false, false, false],
  merges: ["Ġ b"],
  addsBos: true,
  bosTokenId: 0,
  eosTokenId: null,
  padTokenId: 0,
  chatTemplate: "{{ messages }}",
};
let folder = "";
const source = (): string => join(folder, "model");
const target = (): string => join(folder, "model.gguf");

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-gguf-"));
  const model = smallModel(config);
  saveModel(source(), model);
  model.free();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface GgufFile {
  readonly metadata: Map<string, unknown>;
  readonly tensors: Map<string, { readonly shape: number[]; readonly type: number; readonly bytes: Buffer }>;
}

function readGguf(path: string): GgufFile {
  const data = readFileSync(path);
  let at = 0;
  const take = (bytes: number): Buffer => {
    at += bytes;
    return data.subarray(at - bytes, at);
  };
  const u32 = (): number => take(4).readUInt32LE();
  const u64 = (): number => Number(take(8).readBigUInt64LE());
  const text = (): string => take(u64()).toString("utf8");
  const value = (type: number): unknown => {
    if (type === 4) return u32();
    if (type === 5) return take(4).readInt32LE();
    if (type === 6) return take(4).readFloatLE();
    if (type === 7) return take(1)[0] === 1;
    if (type === 8) return text();
    if (type !== 9) throw new Error(`type ${type}`);
    const inner = u32();
    return Array.from({ length: u64() }, () => value(inner));
  };
  expect(take(4).toString()).toBe("GGUF");
  expect(u32()).toBe(3);
  const [numTensors, numKeys] = [u64(), u64()];
  const metadata = new Map(Array.from({ length: numKeys }, () => [text(), value(u32())] as const));
  const infos = Array.from({ length: numTensors }, () => {
    const name = text();
    const shape = Array.from({ length: u32() }, u64).reverse();
    return { name, shape, type: u32(), offset: u64() };
  });
  const begin = Math.ceil(at / 32) * 32;
  const bytesOf = (type: number, size: number): number =>
    type === 0 ? 4 * size : type === 8 ? (size / 32) * 34 : 2 * size;
  const tensors = infos.map(({ name, shape, type, offset }) => {
    expect(offset % 32).toBe(0);
    const size = shape.reduce((a, b) => a * b, 1);
    return [name, { shape, type, bytes: data.subarray(begin + offset, begin + offset + bytesOf(type, size)) }] as const;
  });
  return { metadata, tensors: new Map(tensors) };
}

/** A float32 tensor of the one safetensors file. */
function stored(name: string): Float32Array {
  const file = readFileSync(join(source(), "model.safetensors"));
  const length = Number(file.readBigUInt64LE());
  const header = JSON.parse(file.subarray(8, 8 + length).toString()) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  const [from, to] = header[name]!.data_offsets;
  return new Float32Array(Uint8Array.from(file.subarray(8 + length + from, 8 + length + to)).buffer);
}

const halfValue = (bits: number): number => {
  const [sign, exponent, mantissa] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1 + mantissa / 1024) * 2 ** (exponent - 15));
};

function values({ type, bytes }: { readonly type: number; readonly bytes: Buffer }): number[] {
  if (type === 0) return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
  if (type === 1) return Array.from({ length: bytes.length / 2 }, (_, i) => halfValue(bytes.readUInt16LE(2 * i)));
  if (type === 30) {
    const word = Buffer.alloc(4);
    return Array.from({ length: bytes.length / 2 }, (_, i) => {
      word.writeUInt32LE((bytes.readUInt16LE(2 * i) << 16) >>> 0);
      return word.readFloatLE();
    });
  }
  return Array.from({ length: (bytes.length / 34) * 32 }, (_, i) => {
    const block = 34 * Math.floor(i / 32);
    return halfValue(bytes.readUInt16LE(block)) * bytes.readInt8(block + 2 + (i % 32));
  });
}

/** Largest error of a stored value, relative to the largest of its row of 32. */
const bound: Readonly<Record<GgufPrecision, number>> = { f16: 2 ** -11, bf16: 2 ** -8, q8_0: 0.5 / 127 + 2 ** -10 };

describe.each(["f16", "bf16", "q8_0"] as const)("exportGguf to %s", (precision) => {
  test("stacks experts, splits kv_b_proj per head and turns its key part around", () => {
    const result = exportGguf(source(), target(), precision, vocabulary);
    const { tensors } = readGguf(target());
    expect(tensors.size).toBe(result.tensors);
    const close = (name: string, expected: readonly number[]): void => {
      const found = values(tensors.get(name)!);
      const most = Math.max(...expected.map(Math.abs));
      expect(found.length).toBe(expected.length);
      const worst = Math.max(...found.map((value, i) => Math.abs(value - expected[i]!)));
      expect([name, worst <= bound[precision] * most]).toEqual([name, true]);
    };
    const { numAttentionHeads: heads, qkNopeHeadDim: n, vHeadDim: v, kvLoraRank: c, nRoutedExperts } = config;
    const kvB = stored("model.layers.0.self_attn.kv_b_proj.weight");
    const at = (h: number, row: number, column: number): number => kvB[(h * (n + v) + row) * c + column]!;
    expect(tensors.get("blk.0.attn_k_b.weight")!.shape).toEqual([heads, c, n]);
    const keys: number[] = [];
    const vals: number[] = [];
    for (let h = 0; h < heads; h++) {
      for (let j = 0; j < c; j++) for (let i = 0; i < n; i++) keys.push(at(h, i, j));
      for (let i = 0; i < v; i++) for (let j = 0; j < c; j++) vals.push(at(h, n + i, j));
    }
    close("blk.0.attn_k_b.weight", keys);
    close("blk.0.attn_v_b.weight", vals);
    const layer = config.firstKDenseReplace;
    const experts = Array.from({ length: nRoutedExperts }, (_, e) =>
      Array.from(stored(`model.layers.${layer}.mlp.experts.${e}.up_proj.weight`)),
    ).flat();
    close(`blk.${layer}.ffn_up_exps.weight`, experts);
    close("output.weight", Array.from(stored("lm_head.weight")));
    const router = tensors.get(`blk.${layer}.ffn_gate_inp.weight`)!;
    expect([router.type, values(router)]).toEqual([0, Array.from(stored(`model.layers.${layer}.mlp.gate.weight`))]);
    expect(Array.from(tensors.keys()).some((name) => name.startsWith(`blk.${config.numHiddenLayers}.`))).toBe(false);
  });
});

test("rows that are no whole blocks stay float16, and are counted", () => {
  const { notQuantized } = exportGguf(source(), target(), "q8_0", vocabulary);
  expect(readGguf(target()).tensors.get("blk.0.attn_k_b.weight")!.type).toBe(1); // 24 columns
  expect(notQuantized).toBeGreaterThan(0);
});

test("the metadata describes attention as it is absorbed, and fills the vocabulary up", () => {
  exportGguf(source(), target(), "bf16", vocabulary);
  const { metadata } = readGguf(target());
  const { kvLoraRank: c, qkRopeHeadDim: r, qkNopeHeadDim: n, vocabSize } = config;
  const of = (key: string): unknown => metadata.get(`deepseek2.${key}`);
  expect([of("attention.key_length"), of("attention.value_length"), of("attention.key_length_mla")]).toEqual([
    c + r,
    c,
    n + r,
  ]);
  expect([of("attention.head_count_kv"), of("rope.dimension_count"), of("expert_gating_func")]).toEqual([1, r, 2]);
  const tokens = metadata.get("tokenizer.ggml.tokens") as string[];
  expect([tokens.length, ...tokens.slice(0, 5)]).toEqual([vocabSize, "<s>", "a", "[PAD2]", "Ġb", "[PAD4]"]);
  expect((metadata.get("tokenizer.ggml.token_type") as number[]).slice(0, 5)).toEqual([3, 1, 5, 1, 5]);
  expect(metadata.has("tokenizer.ggml.eos_token_id")).toBe(false);
  expect(metadata.get("tokenizer.chat_template")).toBe(vocabulary.chatTemplate);
});

test("what the other side cannot hold is refused by its key, and nothing is written", () => {
  rmSync(source(), { recursive: true });
  const model = smallModel(smallConfig({ attention: "mha" }));
  saveModel(source(), model);
  expect(() => exportGguf(source(), target(), "bf16", vocabulary)).toThrow("attention: a GGUF file of deepseek2 needs");
  expect(existsSync(target())).toBe(false);
  const tooMany = { ...vocabulary, tokens: Array.from({ length: 10_000 }, (_, i) => String(i)) };
  rmSync(source(), { recursive: true });
  saveModel(source(), smallModel(config));
  expect(() => exportGguf(source(), target(), "bf16", tooMany)).toThrow("not the model's tokenizer");
});
