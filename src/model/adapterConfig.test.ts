import { describe, expect, test } from "vitest";
import {
  defaultAdapter,
  isTarget,
  parseAdapterConfig,
  rankOf,
  scaleOf,
  serializeAdapterConfig,
} from "./adapterConfig.js";

const minimal = { peft_type: "LORA", target_modules: ["o_proj"] };
const never = (text: string): void => expect.fail(text);

test("two keys are enough, and the rest is as PEFT has it", () => {
  expect(parseAdapterConfig(minimal, "f", never)).toEqual({ ...defaultAdapter, targetModules: ["o_proj"] });
});

test("what is written is read again", () => {
  const config = {
    baseModelNameOrPath: "../base",
    revision: "main",
    r: 4,
    loraAlpha: 0.5,
    loraDropout: 0.1,
    useRslora: true,
    targetModules: "all-linear",
    excludeModules: ["experts.0.up_proj"],
    rankPattern: { o_proj: 3 },
    alphaPattern: { "q_.*": 1.5 },
    layersToTransform: [0, 2],
  };
  expect(parseAdapterConfig(serializeAdapterConfig(config), "f", never)).toEqual(config);
});

test("unknown keys are left out with a warning each", () => {
  const warnings: string[] = [];
  const config = parseAdapterConfig({ ...minimal, use_magic: true, hat: null }, "adapter_config.json", (text) =>
    warnings.push(text),
  );
  expect(config.targetModules).toEqual(["o_proj"]);
  expect(warnings).toEqual([
    "adapter_config.json: unknown key use_magic is left out",
    "adapter_config.json: unknown key hat is left out",
  ]);
});

describe("what is not supported is refused by name", () => {
  test.each([
    ["bias", "all"],
    ["fan_in_fan_out", true],
    ["use_dora", true],
    ["use_qalora", true],
    ["lora_bias", true],
    ["modules_to_save", ["lm_head"]],
    ["target_parameters", ["mlp.experts.gate_up_proj"]],
    ["trainable_token_indices", [1, 2]],
    ["layer_replication", [[0, 4]]],
    ["init_lora_weights", "pissa"],
    ["init_lora_weights", "olora"],
    ["layers_pattern", "blocks"],
    ["arrow_config", { arrow_expert_num_tokens: 1 }],
  ])("%s %j", (key, value) => {
    const act = (): unknown => parseAdapterConfig({ ...minimal, [key]: value }, "f", never);
    expect(act).toThrow(`f: ${key} ${JSON.stringify(value)} is not supported`);
  });

  test.each([
    ["bias", "none"],
    ["modules_to_save", []],
    ["modules_to_save", null],
    ["use_dora", false],
    ["init_lora_weights", "gaussian"],
    ["loftq_config", {}],
    ["layers_pattern", null],
  ])("but not where it is off: %s %j", (key, value) => {
    expect(parseAdapterConfig({ ...minimal, [key]: value }, "f", never).r).toBe(8);
  });
});

test.each([
  [{ target_modules: ["o_proj"] }, 'f: peft_type is undefined; only "LORA" adapters are supported'],
  [{ ...minimal, peft_type: "IA3" }, 'f: peft_type is "IA3"; only "LORA" adapters are supported'],
  [{ peft_type: "LORA" }, "f: target_modules is missing"],
  [{ ...minimal, r: 0 }, "f: r must be a positive whole number, got 0"],
  [{ ...minimal, r: "8" }, 'f: r must be a positive whole number, got "8"'],
  [{ ...minimal, lora_alpha: -1 }, "f: lora_alpha must be a positive number, got -1"],
  [{ ...minimal, lora_dropout: 1 }, "f: lora_dropout must be a number from 0 to less than 1, got 1"],
  [
    { ...minimal, rank_pattern: { o_proj: 1.5 } },
    'f: rank_pattern must be an object of positive whole numbers, got {"o_proj":1.5}',
  ],
  [{ ...minimal, target_modules: [1] }, "f: target_modules must be a list of names or a text, got [1]"],
  [[], "f: expected an object"],
])("%j is refused", (json, message) => {
  expect(() => parseAdapterConfig(json, "f", never)).toThrow(message);
});

test("the worked scales: alpha / r, and with rsLoRA 8 / sqrt(4) = 4", () => {
  const config = { ...defaultAdapter, targetModules: ["o_proj"], r: 4, loraAlpha: 8 };
  expect(scaleOf(config, "a.o_proj")).toBe(2);
  expect(scaleOf({ ...config, useRslora: true }, "a.o_proj")).toBe(4);
  expect(rankOf({ ...config, rankPattern: { "o_proj|q_proj": 2 } }, "layers.1.o_proj")).toBe(2);
});

test("a pattern that is no regular expression is named", () => {
  const config = { ...defaultAdapter, targetModules: "(o_proj" };
  expect(() => isTarget(config, "a.o_proj")).toThrow('adapter: "(o_proj" is not a regular expression');
});
