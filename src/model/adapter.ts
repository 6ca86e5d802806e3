/**
 * The adapter of a model: small matrices beside frozen ones, which alone are trained (LoRA; post-training.md 4). Which linears have one
 * is decided by names, in checkpoint/adapter.ts; here they are made, switched off, folded into the weights and taken out again. The
 * arithmetic is in tensor/ops/adapter.ts.
 */
import { native } from "../tensor/native.js";
import { foldIntoWeight } from "../tensor/ops/adapter.js";
import { type Adapter, createParameter, type Parameter, type RowRun } from "../tensor/parameter.js";
import type { AdapterConfig } from "./adapterConfig.js";
import type { DeepseekV3 } from "./deepseekV3.js";
import { streamOf } from "./init.js";

/** A linear of a checkpoint, or one for each expert of a layer, as a part of a parameter. */
export interface AdapterPart {
  /** As in a checkpoint, without ".weight"; of experts in their order. */
  readonly modules: readonly string[];
  readonly parameter: Parameter;
  /** Rows that the linear is of its matrix. */
  readonly runs: readonly RowRun[];
  readonly rank: number;
  readonly scale: number;
}

export interface AdaptedPart extends AdapterPart {
  readonly adapter: Adapter;
}

export interface ModelAdapter {
  readonly config: AdapterConfig;
  readonly parts: readonly AdaptedPart[];
  /** Folded into the weights, which then say all. */
  isMerged: boolean;
}

/**
 * Freezes the model and gives the parts an adapter that changes nothing yet: A uniform in +-1 / sqrt(in), B zero. Before an optimizer is
 * made.
 * @throws RangeError for a model that has an adapter, or is made to train in FP8
 */
export function addAdapter(
  model: DeepseekV3,
  config: AdapterConfig,
  parts: readonly AdapterPart[],
  seed: number,
): ModelAdapter {
  if (model.adapter) throw new RangeError("adapter: the model has one already; a second one is not supported");
  if (model.fp8) throw new RangeError("adapter: the model trains in FP8; open it as FP8 weights, which are frozen");
  for (const parameter of model.parameters) {
    parameter.isTrained = false;
    parameter.grad?.free();
    parameter.grad = null;
  }
  const adapted = parts.map((part) => ({ ...part, adapter: createAdapter(model, config, part, seed) }));
  attach(adapted);
  model.adapter = { config, parts: adapted, isMerged: false };
  return model.adapter;
}

/** Runs `body` with the adapter switched off: the model it was put over, as a reference. Nothing else may use the model meanwhile. */
export async function withoutAdapter<T>(model: DeepseekV3, body: () => Promise<T>): Promise<T> {
  const { parts } = liveAdapter(model);
  detach(parts);
  try {
    return await body();
  } finally {
    attach(parts);
  }
}

/**
 * Folds the adapter into the weights, in their type, so that it costs nothing to run; `unmergeAdapter` takes it out again, up to
 * rounding. Weights mapped from a file are changed in memory alone.
 * @throws RangeError if any of the weights is quantised; none is changed then
 */
export function mergeAdapter(model: DeepseekV3): void {
  const adapter = liveAdapter(model);
  fold(model, adapter.parts, 1);
  detach(adapter.parts);
  adapter.isMerged = true;
}

/** @throws RangeError for a model without a merged adapter */
export function unmergeAdapter(model: DeepseekV3): void {
  const { adapter } = model;
  if (!adapter?.isMerged) throw new RangeError("adapter: none is merged into the model");
  fold(model, adapter.parts, -1);
  attach(adapter.parts);
  adapter.isMerged = false;
}

/** @throws RangeError for a model without one, or with a merged one */
export function liveAdapter({ adapter }: DeepseekV3): ModelAdapter {
  if (!adapter) throw new RangeError("adapter: the model has none");
  if (adapter.isMerged) throw new RangeError("adapter: it is merged into the weights; unmerge it first");
  return adapter;
}

/** Numbers of the adapter, all of which are trained, and how many of them a token meets. @throws RangeError for a model without one */
export function adapterCounts(model: DeepseekV3): { readonly total: number; readonly activated: number } {
  const { nRoutedExperts, numExpertsPerTok } = model.config;
  let [total, activated] = [0, 0];
  for (const { modules, adapter } of liveAdapter(model).parts) {
    const size = adapter.a.data.size + adapter.b.data.size;
    total += size;
    activated += modules.length > 1 ? (size * numExpertsPerTok) / nRoutedExperts : size;
  }
  return { total, activated };
}

/** A quantised matrix is refused before any other is changed. */
function fold({ arena }: DeepseekV3, parts: readonly AdaptedPart[], factor: 1 | -1): void {
  const quantized = parts.find(({ parameter }) => parameter.scales);
  for (const { parameter, adapter } of quantized ? [quantized] : parts) {
    foldIntoWeight(arena, parameter, adapter, factor);
  }
}

function attach(parts: readonly AdaptedPart[]): void {
  for (const { parameter, adapter } of parts) parameter.adapters = [...parameter.adapters, adapter];
}

function detach(parts: readonly AdaptedPart[]): void {
  for (const { parameter } of parts) parameter.adapters = [];
}

function createAdapter(
  model: DeepseekV3,
  { loraDropout }: AdapterConfig,
  { modules, parameter, runs, rank, scale }: AdapterPart,
  seed: number,
): Adapter {
  const k = parameter.shape.at(-1) ?? 0;
  const rows = runs.reduce((sum, { length }) => sum + length, 0);
  const experts = parameter.shape.length === 3 ? [modules.length] : [];
  const name = partName(modules);
  const create = (kind: string, ...shape: number[]): Parameter =>
    createParameter(model.arena, `${name}.${kind}.weight`, [...experts, ...shape], "float32");
  const [a, b] = [create("lora_A", rank, k), create("lora_B", rows, rank)];
  native().randomUniform(a.data.address, a.data.size, seed, streamOf(a.name), 0, 1 / Math.sqrt(k));
  return { a, b, scale, dropout: loraDropout, stream: streamOf(`${seed} ${a.name}`), runs };
}

/** The module itself, or what the experts' names share: model.layers.3.mlp.experts.gate_proj. */
function partName([first = "", ...others]: readonly string[]): string {
  return others.length === 0 ? first : first.replace(/\.experts\.\d+\./, ".experts.");
}
