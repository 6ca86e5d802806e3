import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { smallConfig, smallModel } from "../../test/invariance/models.js";
import { adapterCounts } from "../model/adapter.js";
import { type AdapterConfig, defaultAdapter } from "../model/adapterConfig.js";
import type { DeepseekV3 } from "../model/deepseekV3.js";
import { defaultFp8 } from "../model/fp8.js";
import { attachAdapter, loadAdapter, saveAdapter } from "./adapter.js";
import { readAdapter } from "./adapterFile.js";
import { parseTargets } from "./adapterModules.js";
import { saveModel } from "./modelFiles.js";
import { SafetensorsFile, writeSafetensors } from "./safetensors.js";

const folder = mkdtempSync(join(tmpdir(), "fathom-adapter-files-"));
afterAll(() => rmSync(folder, { recursive: true }));

const small = smallConfig({
  num_hidden_layers: 2,
  n_routed_experts: 4,
  n_group: 2,
  topk_group: 1,
  num_experts_per_tok: 2,
});
const configOf = (changes: Partial<AdapterConfig>): AdapterConfig => ({
  ...defaultAdapter,
  targetModules: "all",
  r: 2,
  ...changes,
});

function modulesOf(model: DeepseekV3): string[] {
  return model.adapter?.parts.flatMap(({ modules }) => modules) ?? [];
}

const attentionOf = (layer: number): string[] =>
  ["q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj"].map(
    (name) => `model.layers.${layer}.self_attn.${name}`,
  );
const feedForward = (prefix: string): string[] => ["gate", "up", "down"].map((name) => `${prefix}.${name}_proj`);

describe("attachAdapter", () => {
  test("an adapter's numbers, counted by hand: r (in + out) of each linear, and of 4 experts a token meets 2", () => {
    const model = smallModel(small);
    attachAdapter(model, configOf({}), 1);
    // q_a 14 x 24, q_b 30 x 14, kv_a 14 x 24, kv_b 33 x 10, o 24 x 15, in both layers.
    const attention = 2 * 2 * (38 + 44 + 38 + 43 + 39);
    const [dense, shared, expert] = [40, 12, 12].map((width) => 2 * 3 * (width + 24)) as [number, number, number];
    const common = attention + dense + shared;
    expect(adapterCounts(model)).toEqual({ total: common + 4 * expert, activated: common + 2 * expert });
    model.free();
  });

  test.each([
    ["attention", [...attentionOf(0), ...attentionOf(1)]],
    [
      "attention+shared",
      [
        ...attentionOf(0),
        ...feedForward("model.layers.0.mlp"),
        ...attentionOf(1),
        ...feedForward("model.layers.1.mlp.shared_experts"),
      ],
    ],
    [
      "all",
      [
        ...attentionOf(0),
        ...feedForward("model.layers.0.mlp"),
        ...attentionOf(1),
        ...feedForward("model.layers.1.mlp.shared_experts"),
        ...[0, 1, 2, 3].flatMap((expert) => feedForward(`model.layers.1.mlp.experts.${expert}`)),
      ],
    ],
  ])("adapts with the preset %s these linears, router, MTP and head never", (targetModules, expected) => {
    const model = smallModel(small);
    attachAdapter(model, configOf({ targetModules }), 1);
    expect(modulesOf(model).sort()).toEqual([...expected].sort());
    // Suffixes that another program can read, and none that fits nothing here.
    expect(model.adapter?.config.targetModules).not.toContain("q_proj");
    expect(model.adapter?.config.targetModules).toContain("q_a_proj");
    expect(model.parameters.some(({ isTrained }) => isTrained)).toBe(false);
    model.free();
  });

  test("starts with A uniform in +-1 / sqrt(in), of the seed and the name alone, and with B zero", () => {
    const values = (seed: number, targetModules: string): Map<string, Float32Array> => {
      const model = smallModel(small);
      attachAdapter(model, configOf({ targetModules, r: 16 }), seed);
      const result = new Map(model.weights.trained.map(({ name, data }) => [name, data.toFloats()]));
      model.free();
      return result;
    };
    const all = values(5, "all");
    for (const [name, floats] of all) {
      const isA = name.endsWith("lora_A.weight");
      if (!isA)
        expect(
          floats.every((value) => value === 0),
          name,
        ).toBe(true);
      else expect(new Set(floats).size, name).toBeGreaterThan(0.9 * floats.length);
    }
    const a = all.get("model.layers.0.self_attn.o_proj.lora_A.weight") ?? new Float32Array();
    const bound = 1 / Math.sqrt(15);
    expect(a.length).toBe(16 * 15);
    expect(Math.max(...a)).toBeLessThan(bound);
    expect(Math.max(...a)).toBeGreaterThan(0.95 * bound);
    expect(Math.min(...a)).toBeGreaterThanOrEqual(-bound);
    expect(Math.min(...a)).toBeLessThan(-0.95 * bound);
    for (const [name, floats] of values(5, "attention")) expect(floats).toEqual(all.get(name));
    expect(values(6, "attention").get("model.layers.0.self_attn.o_proj.lora_A.weight")).not.toEqual(a);
  });

  test("takes ranks and scales from the patterns", () => {
    const model = smallModel(small);
    const patterns = { rankPattern: { "experts.\\d+.up_proj": 3 }, alphaPattern: { "layers.1.self_attn.o_proj": 12 } };
    attachAdapter(model, configOf({ ...patterns, loraAlpha: 6 }), 1);
    const of = (name: string): unknown => {
      const part = model.adapter?.parts.find(({ modules }) => modules.includes(name));
      return [part?.adapter.a.shape, part?.adapter.b.shape, part?.adapter.scale];
    };
    expect(of("model.layers.1.mlp.experts.2.up_proj")).toEqual([[4, 3, 24], [4, 12, 3], 2]);
    expect(of("model.layers.1.mlp.experts.2.down_proj")).toEqual([[4, 2, 12], [4, 24, 2], 3]);
    expect(of("model.layers.1.self_attn.o_proj")).toEqual([[2, 15], [24, 2], 6]);
    model.free();
  });

  test.each([
    [
      { targetModules: ["o_prj"] },
      'adapter: target_modules ["o_prj"] fits no linear of the model, which has q_a_proj, q_b_proj,',
    ],
    [{ targetModules: ["o_proj", "gate"] }, 'adapter: target "gate" fits no linear of the model'],
    [{ targetModules: ["lm_head"] }, 'adapter: target_modules ["lm_head"] fits no linear'],
    [{ targetModules: "mlp" }, 'adapter: target_modules "mlp" fits no linear'],
    [{ rankPattern: { nothing: 3 } }, 'adapter: pattern "nothing" fits no linear'],
    [
      { targetModules: ["experts.0.up_proj"] },
      "adapter: 1 of 4 experts of model.layers.1.mlp.experts.up_proj have one; all must, or none",
    ],
    [
      { rankPattern: { "experts.2.up_proj": 5 } },
      "adapter: model.layers.1.mlp.experts.2.up_proj has another rank or alpha than model.layers.1.mlp.experts.0.up_proj",
    ],
  ])("refuses %j", (changes, message) => {
    const model = smallModel(small);
    expect(() => attachAdapter(model, configOf(changes), 1)).toThrow(message);
    expect(model.parameters.some(({ isTrained }) => isTrained)).toBe(true);
    model.free();
  });

  test("refuses a second adapter, and a model that trains in FP8", () => {
    const model = smallModel(small);
    attachAdapter(model, configOf({}), 1);
    expect(() => attachAdapter(model, configOf({}), 1)).toThrow("the model has one already");
    expect(() => saveModel(join(folder, "x"), model)).toThrow("has an adapter, which a checkpoint cannot hold");
    const fp8 = smallModel(small, 1, "bfloat16", defaultFp8);
    expect(() => attachAdapter(fp8, configOf({}), 1)).toThrow("the model trains in FP8");
  });
});

test("targets in words: presets and expressions stay, names become a list", () => {
  expect(parseTargets("attention+shared")).toBe("attention+shared");
  expect(parseTargets("all-linear")).toBe("all-linear");
  expect(parseTargets("o_proj")).toEqual(["o_proj"]);
  expect(parseTargets("q_b_proj,shared_experts.up_proj")).toEqual(["q_b_proj", "shared_experts.up_proj"]);
  expect(parseTargets(".*\\.o_proj")).toBe(".*\\.o_proj");
});

describe("files", () => {
  function saved(name: string): string {
    const model = smallModel(small);
    attachAdapter(model, configOf({}), 3);
    for (const [i, { adapter }] of (model.adapter?.parts ?? []).entries()) {
      adapter.b.data.floats().forEach((_, j, b) => {
        b[j] = Math.sin(i + j);
      });
    }
    const directory = join(folder, name);
    saveAdapter(model, directory);
    model.free();
    return directory;
  }

  test("hold PEFT's names and shapes, each expert for itself, in float32", () => {
    const directory = saved("names");
    expect(readdirSync(directory).sort()).toEqual(["adapter_config.json", "adapter_model.safetensors"]);
    const { entries, metadata } = new SafetensorsFile(join(directory, "adapter_model.safetensors")).header;
    expect([...metadata]).toEqual([["format", "pt"]]);
    expect(entries.size).toBe(2 * (10 + 3 + 3 + 12));
    const of = (name: string): unknown => [entries.get(name)?.dtype, entries.get(name)?.shape];
    expect(of("base_model.model.model.layers.0.self_attn.q_a_proj.lora_A.weight")).toEqual(["F32", [2, 24]]);
    expect(of("base_model.model.model.layers.0.mlp.up_proj.lora_B.weight")).toEqual(["F32", [40, 2]]);
    expect(of("base_model.model.model.layers.1.mlp.experts.3.gate_proj.lora_B.weight")).toEqual(["F32", [12, 2]]);
    expect(of("base_model.model.model.layers.1.mlp.experts.3.down_proj.lora_A.weight")).toEqual(["F32", [2, 12]]);
  });

  test("come back to the bit, over the model and into an adapter that it has", () => {
    const directory = saved("again");
    const fresh = smallModel(small);
    loadAdapter(fresh, directory);
    const attached = smallModel(small);
    attachAdapter(attached, configOf({}), 99);
    loadAdapter(attached, directory);
    const values = (model: DeepseekV3): Map<string, Float32Array> =>
      new Map(model.weights.trained.map(({ name, data }) => [name, data.toFloats()]));
    expect(values(attached)).toEqual(values(fresh));
    const other = join(folder, "other");
    saveAdapter(fresh, other);
    const bytes = (from: string): Buffer => readFileSync(join(from, "adapter_model.safetensors"));
    expect(Buffer.compare(bytes(other), bytes(directory))).toBe(0);
  });

  test("are read in bfloat16 and float16 too", () => {
    const directory = join(folder, "half");
    saveAdapter(adapted({ targetModules: ["o_proj"], r: 1 }), directory);
    const path = join(directory, "adapter_model.safetensors");
    const { entries } = new SafetensorsFile(path).header;
    const half = [...entries.values()].map(({ name, shape }, i) => {
      const count = shape.reduce((a, b) => a * b, 1);
      // 1.5 in bfloat16, 0.5 in float16.
      const bits = new Uint16Array(count).fill(i % 2 === 0 ? 0x3fc0 : 0x3800);
      return {
        name,
        shape,
        dtype: i % 2 === 0 ? ("BF16" as const) : ("F16" as const),
        chunks: () => [new Uint8Array(bits.buffer)],
      };
    });
    writeSafetensors(path, half);
    const model = smallModel(small);
    loadAdapter(model, directory);
    const found = new Set(model.weights.trained.flatMap(({ data }) => [...data.floats()]));
    expect(found).toEqual(new Set([1.5, 0.5]));
  });

  function adapted(changes: Partial<AdapterConfig>): DeepseekV3 {
    const model = smallModel(small);
    attachAdapter(model, configOf(changes), 1);
    return model;
  }

  /** The adapter of o_proj with other tensors in its file. */
  function rewritten(
    name: string,
    change: (name: string, shape: readonly number[]) => readonly [string, readonly number[]] | null,
  ): string {
    const directory = join(folder, name);
    saveAdapter(adapted({ targetModules: ["o_proj"] }), directory);
    const path = join(directory, "adapter_model.safetensors");
    const { entries } = new SafetensorsFile(path).header;
    const sources = [...entries.values()].flatMap((entry) => {
      const changed = change(entry.name, entry.shape);
      if (!changed) return [];
      const [to, shape] = changed;
      const bytes = new Uint8Array(4 * shape.reduce((a, b) => a * b, 1));
      return [{ name: to, shape, dtype: "F32" as const, chunks: () => [bytes] }];
    });
    writeSafetensors(path, sources);
    return directory;
  }

  const at = "base_model.model.model.layers.1.self_attn.o_proj.lora_A.weight";

  test.each([
    [
      "of a wider model",
      (name: string, shape: readonly number[]) => [name, name === at ? [2, 99] : shape] as const,
      "lora_A.weight has shape [2, 99], expected [2, 15]: model.layers.1.self_attn.o_proj of the base model is [24, 15]. Trained over",
    ],
    [
      "of another rank",
      (name: string, shape: readonly number[]) => [name, name === at ? [7, 15] : shape] as const,
      "has shape [7, 15], expected rank 2 by r and rank_pattern of adapter_config.json",
    ],
    [
      "without a B",
      (name: string, shape: readonly number[]) =>
        name.includes("layers.1") && name.includes("lora_B") ? null : ([name, shape] as const),
      "model.layers.1.self_attn.o_proj has a lora_A and no lora_B",
    ],
    [
      "of a deeper model",
      (name: string, shape: readonly number[]) => [name.replace("layers.1.", "layers.9."), shape] as const,
      "the model has no linear model.layers.9.self_attn.o_proj for an adapter: made for another model?",
    ],
    [
      "of linears that its config does not name",
      (name: string, shape: readonly number[]) => [name.replace("o_proj", "q_b_proj"), shape] as const,
      "model.layers.0.self_attn.q_b_proj is adapted, which target_modules of adapter_config.json does not name",
    ],
    [
      "with a whole embedding",
      (name: string, shape: readonly number[]) =>
        [name === at ? "base_model.model.model.embed_tokens.weight" : name, shape] as const,
      "is a whole weight (modules_to_save, or a vocabulary that was resized), which is not supported",
    ],
    [
      "of DoRA",
      (name: string, shape: readonly number[]) =>
        [name === at ? `${at.slice(0, -"lora_A.weight".length)}lora_magnitude_vector` : name, shape] as const,
      "belongs to DoRA, which is not supported",
    ],
    [
      "with foreign names",
      (name: string, shape: readonly number[]) => [name === at ? "lora_te_text_model_q.alpha" : name, shape] as const,
      "lora_te_text_model_q.alpha is not named as in an adapter",
    ],
    ["of nothing", () => null, "no tensor"],
  ])("%s are refused with what is wrong", (name, change, message) => {
    const directory = rewritten(name, change);
    const model = smallModel(small);
    expect(() => loadAdapter(model, directory)).toThrow(message);
    expect(model.adapter).toBeNull();
  });

  test("that are missing or pickled are refused", () => {
    const directory = saved("pickle");
    rmSync(join(directory, "adapter_model.safetensors"));
    expect(() => readAdapter(directory)).toThrow("adapter_model.safetensors: no such file");
    writeFileSync(join(directory, "adapter_model.bin"), "");
    expect(() => readAdapter(directory)).toThrow("adapter_model.bin is a pickle, which can run code and is never read");
    rmSync(join(directory, "adapter_config.json"));
    expect(() => readAdapter(directory)).toThrow("no adapter_config.json: not an adapter");
  });

  test("of another adapter than the model's are refused", () => {
    const directory = saved("another");
    const model = smallModel(small);
    attachAdapter(model, configOf({ targetModules: "attention" }), 1);
    expect(() => loadAdapter(model, directory)).toThrow(
      /another adapter than the model's: it has model\.layers\.0\.mlp\.gate_proj of rank 2/,
    );
  });
});
