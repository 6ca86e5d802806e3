/**
 * Which linears of a model may have an adapter, by their names in a checkpoint: the projections of attention, feed-forward parts and
 * experts. The router stays as it is, and so do embedding, head and MTP modules, which transformers does not have (post-training.md 4.3).
 */
import { type AdapterConfig, allLinear, isNamedBy, isPatternFor, isTarget } from "../model/adapterConfig.js";
import type { DeepseekV3 } from "../model/deepseekV3.js";
import type { Parameter, RowRun } from "../tensor/parameter.js";
import { hfTensors, isExpertArray } from "./hfNames.js";

export interface LinearModule {
  /** Without ".weight". */
  readonly name: string;
  /** [out, in] */
  readonly shape: readonly [rows: number, columns: number];
  readonly parameter: Parameter;
  /** Rows of the parameter's matrix, or of the expert's own, that the linear is. */
  readonly runs: readonly RowRun[];
}

/** What is adapted, in words. all: experts too, as PEFT's "all-linear" over a model that keeps them apart. */
export type AdapterPreset = "attention" | "attention+shared" | "all";

const attention = ["q_proj", "q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "k_proj", "v_proj", "o_proj"];
const projections = ["gate_proj", "up_proj", "down_proj"];
const presets: Readonly<Record<AdapterPreset, readonly string[]>> = {
  attention,
  "attention+shared": [
    ...attention,
    ...["mlp", "shared_experts"].flatMap((part) => projections.map((projection) => `${part}.${projection}`)),
  ],
  all: [...attention, ...projections],
};

export const adapterPresets = Object.keys(presets) as readonly AdapterPreset[];

/** What a user names as targets: a preset, suffixes separated by commas, or a regular expression for whole names. */
export function parseTargets(text: string): readonly string[] | string {
  if (isPreset(text) || text === allLinear || !/^[\w.]+(,[\w.]+)*$/.test(text)) return text;
  return text.split(",");
}

/** The linears that may have an adapter, in the order of the parameters. */
export function linearModules({ config, parameters }: Pick<DeepseekV3, "config" | "parameters">): LinearModule[] {
  return parameters.flatMap((parameter) =>
    hfTensors(config, parameter).flatMap(({ name, shape, slices }, i, parts): LinearModule[] => {
      const match = /^(model\.layers\.(\d+)\.(?:self_attn|mlp)\..*_proj(?:_with_mqa)?)\.weight$/.exec(name);
      if (!match?.[1] || Number(match[2]) >= config.numHiddenLayers) return [];
      const [rows = 0, columns = 0] = shape;
      const perExpert = isExpertArray(parameter) ? parts.length / (parameter.shape[0] ?? 1) : parts.length;
      const first = Math.floor(i / perExpert) * (parameter.shape.at(-2) ?? 0);
      const runs = slices.map(({ start, length }) => ({ start: start / columns - first, length: length / columns }));
      return [{ name: match[1], shape: [rows, columns], parameter, runs }];
    }),
  );
}

/**
 * The config with a preset put into suffixes, as other programs read it, and the linears it adapts.
 * @throws RangeError for a target or pattern that fits no linear
 */
export function chooseModules(
  model: Pick<DeepseekV3, "config" | "parameters">,
  given: AdapterConfig,
): { readonly config: AdapterConfig; readonly modules: readonly LinearModule[] } {
  const all = linearModules(model);
  const config = { ...given, targetModules: suffixesOf(given.targetModules, all) };
  const modules = all.filter(({ name }) => isTarget(config, name));
  const refuse = (what: string): never => {
    const known = Array.from(new Set(all.map(({ name }) => name.slice(name.lastIndexOf(".") + 1))));
    throw new RangeError(`adapter: ${what} fits no linear of the model, which has ${known.join(", ")}`);
  };
  if (modules.length === 0) refuse(`target_modules ${JSON.stringify(given.targetModules)}`);
  for (const entry of typeof config.targetModules === "string" ? [] : config.targetModules) {
    if (!all.some(({ name }) => isNamedBy(entry, name))) refuse(`target ${JSON.stringify(entry)}`);
  }
  for (const key of [...Object.keys(config.rankPattern), ...Object.keys(config.alphaPattern)]) {
    if (!modules.some(({ name }) => isPatternFor(key, name))) refuse(`pattern ${JSON.stringify(key)}`);
  }
  return { config, modules };
}

function suffixesOf(
  targets: AdapterConfig["targetModules"],
  modules: readonly LinearModule[],
): AdapterConfig["targetModules"] {
  const preset = targets === allLinear ? "all" : targets;
  if (typeof preset !== "string" || !isPreset(preset)) return targets;
  return presets[preset].filter((entry) => modules.some(({ name }) => isNamedBy(entry, name)));
}

function isPreset(text: string): text is AdapterPreset {
  return Object.hasOwn(presets, text);
}
