/**
 * Rotation frequencies and their stretching to longer contexts: YaRN (Peng et al. 2023, in DeepSeek's form: model.md A4) and, as the plain
 * alternative, linear interpolation of positions (Chen et al. 2023). Reads both spellings of the config block: `rope_theta` beside
 * `rope_scaling {type}`, and the newer `rope_parameters {rope_type, rope_theta}`.
 */
import { isObject } from "../files/json.js";

export type RopeScaling =
  | {
      readonly type: "yarn";
      readonly factor: number;
      readonly originalMaxPositionEmbeddings: number;
      readonly betaFast: number;
      readonly betaSlow: number;
      readonly mscale: number;
      /** 0: the softmax scale is left alone */
      readonly mscaleAllDim: number;
    }
  | { readonly type: "linear"; readonly factor: number };

const yarnKeys = [
  "factor",
  "original_max_position_embeddings",
  "beta_fast",
  "beta_slow",
  "mscale",
  "mscale_all_dim",
] as const;
const otherKeys = ["type", "rope_type", "rope_theta", "attention_factor", "truncate"];

/** @throws RangeError naming file and key */
export function parseRopeScaling(
  json: Readonly<Record<string, unknown>>,
  where: string,
): { readonly theta: number; readonly scaling: RopeScaling | null } {
  const name = json.rope_parameters === undefined || json.rope_parameters === null ? "rope_scaling" : "rope_parameters";
  const block = json[name] ?? null;
  if (block !== null && !isObject(block)) throw new RangeError(`${where}: ${name} must be an object or null`);
  const theta = block?.rope_theta ?? json.rope_theta ?? 10000;
  if (typeof theta !== "number" || !(theta > 1)) {
    throw new RangeError(`${where}: rope_theta must be a number above 1, got ${JSON.stringify(theta)}`);
  }
  if (block === null) return { theta, scaling: null };
  const unknown = Object.keys(block).find((key) => ![...yarnKeys, ...otherKeys].includes(key));
  if (unknown !== undefined) throw new RangeError(`${where}: ${name} has an unknown key ${unknown}`);
  const number = (key: (typeof yarnKeys)[number], low: number, fallback?: number): number => {
    const value = block[key] ?? fallback;
    if (typeof value !== "number" || !Number.isFinite(value) || value < low) {
      throw new RangeError(
        `${where}: ${name}.${key} must be a number of at least ${low}, got ${JSON.stringify(block[key])}`,
      );
    }
    return value;
  };
  const type = block.rope_type ?? block.type;
  if (type === "default") return { theta, scaling: null };
  if (type === "linear") return { theta, scaling: { type, factor: number("factor", 1) } };
  if (type !== "yarn") {
    throw new RangeError(
      `${where}: ${name}.${block.rope_type === undefined ? "type" : "rope_type"} must be yarn, linear or default, got ${JSON.stringify(type)}`,
    );
  }
  const original = number(
    "original_max_position_embeddings",
    1,
    typeof json.max_position_embeddings === "number" ? json.max_position_embeddings : undefined,
  );
  const scaling: RopeScaling = {
    type,
    factor: number("factor", 1),
    originalMaxPositionEmbeddings: original,
    betaFast: number("beta_fast", 0, 32),
    betaSlow: number("beta_slow", 0, 1),
    mscale: number("mscale", 0, 1),
    mscaleAllDim: number("mscale_all_dim", 0, 0),
  };
  return { theta, scaling };
}

export function serializeRopeScaling(scaling: RopeScaling): Record<string, unknown> {
  // Both spellings of the kind: older readers know `type`, newer ones `rope_type`.
  const kind = { type: scaling.type, rope_type: scaling.type, factor: scaling.factor };
  if (scaling.type === "linear") return kind;
  return {
    ...kind,
    original_max_position_embeddings: scaling.originalMaxPositionEmbeddings,
    beta_fast: scaling.betaFast,
    beta_slow: scaling.betaSlow,
    mscale: scaling.mscale,
    mscale_all_dim: scaling.mscaleAllDim,
  };
}

/** g(s, m) of model.md A4. */
export function yarnMagnitude(factor: number, mscale: number): number {
  return factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
}

/** Angle per position of each pair: [dim / 2], float64. @param dim rotated channels of a head @param base rope_theta */
export function ropeFrequencies(dim: number, base: number, scaling: RopeScaling | null): Float64Array {
  const plain = Float64Array.from({ length: dim / 2 }, (_, i) => base ** ((-2 * i) / dim));
  if (!scaling) return plain;
  if (scaling.type === "linear") return plain.map((theta) => theta / scaling.factor);
  // The pair that turns r times within the original window.
  const pairOf = (turns: number): number =>
    (dim * Math.log(scaling.originalMaxPositionEmbeddings / (2 * Math.PI * turns))) / (2 * Math.log(base));
  const low = Math.max(Math.floor(pairOf(scaling.betaFast)), 0);
  let high = Math.min(Math.ceil(pairOf(scaling.betaSlow)), dim - 1); // dim - 1 and not dim / 2 - 1 (pitfall G10)
  if (low === high) high += 0.001;
  return plain.map((theta, i) => {
    const ramp = Math.min(1, Math.max(0, (i - low) / (high - low)));
    return (theta / scaling.factor) * ramp + theta * (1 - ramp);
  });
}

/** Multiplier on cos and sin: 1 for all published models, whose mscale and mscale_all_dim are equal. */
export function ropeMagnitude(scaling: RopeScaling | null): number {
  if (scaling?.type !== "yarn") return 1;
  return yarnMagnitude(scaling.factor, scaling.mscale) / yarnMagnitude(scaling.factor, scaling.mscaleAllDim);
}
