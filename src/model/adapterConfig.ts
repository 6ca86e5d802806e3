/**
 * What an adapter is: its rank, its scale and which linears it belongs to, as adapter_config.json of PEFT says it (post-training.md 4.2).
 * The keys are read and written here alone. What would change the arithmetic in a way we do not have is refused by name; keys nobody here
 * knows are left out with a warning, for new ones appear in each release.
 */
import { isObject } from "../files/json.js";

export interface AdapterConfig {
  /** The model it was trained over: a path, or a name on the hub; null if nobody said. */
  readonly baseModelNameOrPath: string | null;
  readonly revision: string | null;
  readonly r: number;
  readonly loraAlpha: number;
  /** Share of the adapter's inputs that training drops. */
  readonly loraDropout: number;
  /** Scale alpha / sqrt(r) in place of alpha / r. */
  readonly useRslora: boolean;
  /** Suffixes of names; or one text: a regular expression that a whole name must match, or "all-linear". */
  readonly targetModules: readonly string[] | string;
  /** The same for what is left out. */
  readonly excludeModules: readonly string[] | string | null;
  /** Other ranks, and other alphas, for modules whose name ends with a match of the key. */
  readonly rankPattern: Readonly<Record<string, number>>;
  readonly alphaPattern: Readonly<Record<string, number>>;
  /** With a list of targets: only in these layers; null: in all. */
  readonly layersToTransform: readonly number[] | null;
}

/** As PEFT's own defaults are; what is adapted has none. */
export const defaultAdapter: Omit<AdapterConfig, "targetModules"> = {
  baseModelNameOrPath: null,
  revision: null,
  r: 8,
  loraAlpha: 8,
  loraDropout: 0,
  useRslora: false,
  excludeModules: null,
  rankPattern: {},
  alphaPattern: {},
  layersToTransform: null,
};

export const allLinear = "all-linear";

/** Keys that change nothing for an adapter that is trained, and that we write as PEFT does. */
const ignored = new Set(
  `task_type inference_mode auto_mapping peft_version megatron_config megatron_core loftq_config eva_config corda_config
  lora_ga_config velora_config qalora_group_size runtime_config ensure_weight_tying`.split(/\s+/),
);

/** What PEFT can do and we cannot, by its key, and the values with which it is off. */
const unsupported: Readonly<Record<string, readonly unknown[]>> = {
  bias: ["none"],
  fan_in_fan_out: [false],
  use_dora: [false],
  use_qalora: [false],
  lora_bias: [false],
  modules_to_save: [],
  target_parameters: [],
  trainable_token_indices: [],
  alora_invocation_tokens: [],
  layer_replication: [],
  use_bdlora: [],
  arrow_config: [],
  kasa_config: [],
  monteclora_config: [],
  layers_pattern: ["layers"],
  // The others change the base's weights: pissa, olora, corda, loftq, lora_ga.
  init_lora_weights: [true, false, "gaussian", "eva", "orthogonal"],
};

/**
 * @param json content of adapter_config.json @param where its path, for errors @param warn takes a line for each unknown key
 * @throws RangeError naming the key
 */
export function parseAdapterConfig(json: unknown, where: string, warn: (text: string) => void): AdapterConfig {
  if (!isObject(json)) throw new RangeError(`${where}: expected an object`);
  const seen = new Set<string>();
  const value = (key: string): unknown => {
    seen.add(key);
    return json[key];
  };
  const read = <T>(key: string, expected: string, is: (found: unknown) => found is T, usual: T): T => {
    const found = value(key) ?? usual;
    if (is(found)) return found;
    throw new RangeError(`${where}: ${key} must be ${expected}, got ${JSON.stringify(found)}`);
  };
  if (value("peft_type") !== "LORA") {
    throw new RangeError(
      `${where}: peft_type is ${JSON.stringify(json.peft_type)}; only "LORA" adapters are supported`,
    );
  }
  for (const [key, off] of Object.entries(unsupported)) {
    const found = value(key) ?? null;
    const isOff = found === null || off.includes(found) || isEmpty(found);
    if (!isOff) throw new RangeError(`${where}: ${key} ${JSON.stringify(found)} is not supported`);
  }
  const layers = read("layers_to_transform", "a whole number or a list of them", isLayers, []);
  const config: AdapterConfig = {
    baseModelNameOrPath: read<string | null>("base_model_name_or_path", "a path or a name", isTextOrNull, null) || null,
    revision: read<string | null>("revision", "a text", isTextOrNull, null),
    r: read("r", "a positive whole number", isRank, defaultAdapter.r),
    loraAlpha: read("lora_alpha", "a positive number", isPositive, defaultAdapter.loraAlpha),
    loraDropout: read("lora_dropout", "a number from 0 to less than 1", isShare, 0),
    useRslora: read("use_rslora", "true or false", isFlag, false),
    targetModules: read<readonly string[] | string>("target_modules", "a list of names or a text", isNames, []),
    excludeModules: read<readonly string[] | string | null>(
      "exclude_modules",
      "a list of names or a text",
      isNamesOrNull,
      null,
    ),
    rankPattern: read("rank_pattern", "an object of positive whole numbers", isRanks, {}),
    alphaPattern: read("alpha_pattern", "an object of positive numbers", isAlphas, {}),
    layersToTransform: typeof layers === "number" ? [layers] : layers.length > 0 ? layers : null,
  };
  if (config.targetModules.length === 0) throw new RangeError(`${where}: target_modules is missing`);
  const unknown = Object.keys(json).filter((key) => !seen.has(key) && !ignored.has(key));
  for (const key of unknown) warn(`${where}: unknown key ${key} is left out`);
  return config;
}

/** adapter_config.json, with the keys that PEFT's own files have. */
export function serializeAdapterConfig(config: AdapterConfig): Record<string, unknown> {
  return {
    alpha_pattern: config.alphaPattern,
    auto_mapping: null,
    base_model_name_or_path: config.baseModelNameOrPath,
    bias: "none",
    exclude_modules: config.excludeModules,
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    layers_pattern: null,
    layers_to_transform: config.layersToTransform,
    lora_alpha: config.loraAlpha,
    lora_dropout: config.loraDropout,
    modules_to_save: null,
    peft_type: "LORA",
    r: config.r,
    rank_pattern: config.rankPattern,
    revision: config.revision,
    target_modules: config.targetModules,
    task_type: "CAUSAL_LM",
    use_dora: false,
    use_rslora: config.useRslora,
  };
}

/** Whether an adapter belongs to a linear, by PEFT's rule. @param name as in a checkpoint, without ".weight" */
export function isTarget(config: AdapterConfig, name: string): boolean {
  const { targetModules, excludeModules, layersToTransform } = config;
  if (excludeModules !== null && isNamed(excludeModules, name)) return false;
  if (targetModules === allLinear) return true;
  if (!isNamed(targetModules, name)) return false;
  if (typeof targetModules === "string" || layersToTransform === null) return true;
  return layersToTransform.includes(Number(/^model\.layers\.(\d+)\./.exec(name)?.[1]));
}

/** Whether one entry of a list of targets names a linear: as a whole, or from a dot on. */
export function isNamedBy(entry: string, name: string): boolean {
  return name === entry || name.endsWith(`.${entry}`);
}

export function rankOf({ r, rankPattern }: AdapterConfig, name: string): number {
  return byPattern(rankPattern, name) ?? r;
}

/** What B (A x) is multiplied with. */
export function scaleOf(config: AdapterConfig, name: string): number {
  const alpha = byPattern(config.alphaPattern, name) ?? config.loraAlpha;
  const rank = rankOf(config, name);
  return config.useRslora ? alpha / Math.sqrt(rank) : alpha / rank;
}

/** Whether a key of a pattern matches a name or what follows one of its dots. */
export function isPatternFor(key: string, name: string): boolean {
  return expression(`(?:.*\\.)?(?:${key})`, key).test(name);
}

/** The value of the first key that fits. */
function byPattern(pattern: Readonly<Record<string, number>>, name: string): number | null {
  return Object.entries(pattern).find(([key]) => isPatternFor(key, name))?.[1] ?? null;
}

function isNamed(modules: readonly string[] | string, name: string): boolean {
  if (typeof modules === "string") return expression(modules, modules).test(name);
  return modules.some((entry) => isNamedBy(entry, name));
}

/** @throws RangeError for what is no regular expression here: those of Python differ in rare forms */
function expression(source: string, given: string): RegExp {
  try {
    return new RegExp(`^(?:${source})$`, "u");
  } catch (error) {
    throw new RangeError(`adapter: ${JSON.stringify(given)} is not a regular expression: ${(error as Error).message}`);
  }
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) ? value.length === 0 : isObject(value) && Object.keys(value).length === 0;
}

const isFlag = (value: unknown): value is boolean => typeof value === "boolean";
const isPositive = (value: unknown): value is number =>
  typeof value === "number" && Number.isFinite(value) && value > 0;
const isRank = (value: unknown): value is number => isPositive(value) && Number.isInteger(value);
const isShare = (value: unknown): value is number => typeof value === "number" && value >= 0 && value < 1;
const isTextOrNull = (value: unknown): value is string | null => value === null || typeof value === "string";
const isNames = (value: unknown): value is readonly string[] | string =>
  typeof value === "string" || (Array.isArray(value) && value.every((name) => typeof name === "string"));
const isNamesOrNull = (value: unknown): value is readonly string[] | string | null => value === null || isNames(value);
const isLayer = (value: unknown): value is number => typeof value === "number" && Number.isInteger(value) && value >= 0;
const isLayers = (value: unknown): value is number | readonly number[] =>
  isLayer(value) || (Array.isArray(value) && value.every(isLayer));
const isRanks = (value: unknown): value is Readonly<Record<string, number>> =>
  isObject(value) && Object.values(value).every(isRank);
const isAlphas = (value: unknown): value is Readonly<Record<string, number>> =>
  isObject(value) && Object.values(value).every(isPositive);
