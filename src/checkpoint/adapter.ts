/**
 * Adapters of a model in PEFT's layout: made by names (LoRA; post-training.md 4), saved, loaded. The experts of a layer lie in one array,
 * so that they have an adapter all or none, of one rank and scale.
 */
import { existsSync } from "node:fs";
import { isAbsolute, relative, resolve } from "node:path";
import { type AdapterPart, addAdapter, liveAdapter, type ModelAdapter } from "../model/adapter.js";
import { type AdapterConfig, rankOf, scaleOf } from "../model/adapterConfig.js";
import type { DeepseekV3 } from "../model/deepseekV3.js";
import type { Parameter } from "../tensor/parameter.js";
import { type PairSource, readAdapter, type StoredAdapter, writeAdapter } from "./adapterFile.js";
import { chooseModules, type LinearModule, linearModules } from "./adapterModules.js";
import { isExpertArray } from "./hfNames.js";
import type { TensorSource } from "./safetensors.js";
import type { FoundTensor } from "./tensorFiles.js";
import { readElements } from "./tensorIo.js";

/**
 * Freezes a model and puts a fresh adapter over it, which changes nothing yet; before a trainer is made.
 * @param config targets may be a preset: attention, attention+shared, all @param seed of A, and of what dropout drops
 * @throws RangeError for targets that the model lacks, or expert by expert
 */
export function attachAdapter(model: DeepseekV3, config: AdapterConfig, seed: number): ModelAdapter {
  const chosen = chooseModules(model, config);
  return addAdapter(model, chosen.config, partsOf(model, chosen.config, chosen.modules), seed);
}

/**
 * Writes adapter_config.json and adapter_model.safetensors, which PEFT opens.
 * @throws RangeError for a model without an adapter, the system's error for a full disk
 */
export function saveAdapter(model: DeepseekV3, directory: string): void {
  const { config, parts } = liveAdapter(model);
  const baseModelNameOrPath = namedFrom(directory, config.baseModelNameOrPath);
  const pairs = parts.flatMap(({ modules, adapter }): PairSource[] =>
    modules.map((module, expert) => ({ module, a: matrixOf(adapter.a, expert), b: matrixOf(adapter.b, expert) })),
  );
  writeAdapter(directory, { ...config, baseModelNameOrPath }, pairs);
}

/**
 * Reads an adapter: into the one that the model has, whose shapes and scale must be the same, or else puts it over the model, which it
 * freezes.
 * @param seed of dropout, where training goes on
 * @throws RangeError naming file and tensor for what does not fit the model
 */
export function loadAdapter(model: DeepseekV3, directory: string, seed = 0): ModelAdapter {
  const stored = readAdapter(directory);
  const modules = modulesOf(model, stored);
  const parts = partsOf(model, stored.config, modules);
  if (model.adapter) checkSame(liveAdapter(model), parts, directory);
  const baseModelNameOrPath = namedHere(directory, stored.config.baseModelNameOrPath);
  const adapter = model.adapter ?? addAdapter(model, { ...stored.config, baseModelNameOrPath }, parts, seed);
  for (const {
    modules: names,
    adapter: { a, b },
  } of adapter.parts) {
    for (const [expert, name] of names.entries()) {
      const pair = stored.pairs.get(name);
      if (!pair) throw new Error(`internal: no matrices of ${name}`);
      fill(a, expert, pair.a);
      fill(b, expert, pair.b);
    }
  }
  return adapter;
}

/** The linears that a stored adapter is for. @throws RangeError for one that the model lacks, or has with other sizes */
function modulesOf(model: DeepseekV3, { pairs, directory }: StoredAdapter): LinearModule[] {
  const known = new Map(linearModules(model).map((module) => [module.name, module]));
  return Array.from(pairs, ([name, { a, b }]) => {
    const module = known.get(name);
    if (!module)
      throw new RangeError(`${directory}: the model has no linear ${name} for an adapter: made for another model?`);
    const [rows, columns] = module.shape;
    checkFit(a, [a.shape[0] ?? 0, columns], name, module.shape);
    checkFit(b, [rows, b.shape[1] ?? 0], name, module.shape);
    return module;
  });
}

/** @throws RangeError naming both shapes */
export function checkFit(
  { name, shape, file }: FoundTensor,
  expected: readonly number[],
  module: string,
  weight: readonly number[],
): void {
  if (shape.every((extent, i) => extent === expected[i])) return;
  throw new RangeError(
    `${file.path}: ${name} has shape [${shape.join(", ")}], expected [${expected.join(", ")}]: ${module} of the base model is ` +
      `[${weight.join(", ")}]. Trained over another model?`,
  );
}

/** Linears put together as the model holds them: each by itself, or all experts. @throws RangeError for some of a layer's experts */
function partsOf(model: DeepseekV3, config: AdapterConfig, modules: readonly LinearModule[]): AdapterPart[] {
  const groups = new Map<string, LinearModule[]>();
  for (const module of modules) {
    const key = module.name.replace(/\.experts\.\d+\./, ".experts.");
    groups.set(key, [...(groups.get(key) ?? []), module]);
  }
  return Array.from(groups, ([key, unsorted]): AdapterPart => {
    const group = isExpertArray(unsorted[0]?.parameter ?? { name: key, shape: [] }) ? inOrder(unsorted) : unsorted;
    const [first] = group;
    if (!first) throw new Error("internal: a group of no linears");
    const { parameter, runs } = first;
    const [rank, scale] = [rankOf(config, first.name), scaleOf(config, first.name)];
    if (isExpertArray(parameter)) {
      const { nRoutedExperts } = model.config;
      if (parameter.shape[0] !== nRoutedExperts) {
        throw new RangeError(
          `adapter: ${key}: experts that processes share between them cannot have one; use 1 process for the experts`,
        );
      }
      if (group.length !== nRoutedExperts) {
        throw new RangeError(
          `adapter: ${group.length} of ${nRoutedExperts} experts of ${key} have one; all must, or none`,
        );
      }
      const other = group.find(({ name }) => rankOf(config, name) !== rank || scaleOf(config, name) !== scale);
      if (other)
        throw new RangeError(
          `adapter: ${other.name} has another rank or alpha than ${first.name}; a layer's experts share both`,
        );
    }
    return { modules: group.map(({ name }) => name), parameter, runs, rank, scale };
  });
}

function inOrder(experts: readonly LinearModule[]): LinearModule[] {
  const numberOf = ({ name }: LinearModule): number => Number(/\.experts\.(\d+)\./.exec(name)?.[1]);
  return [...experts].sort((a, b) => numberOf(a) - numberOf(b));
}

/** @throws RangeError naming the first difference */
function checkSame({ parts: own }: ModelAdapter, parts: readonly AdapterPart[], directory: string): void {
  const describe = ({ modules, rank, scale }: AdapterPart): string =>
    `${modules.join(" ")} of rank ${rank} and scale ${scale}`;
  const [found, expected] = [new Set(parts.map(describe)), new Set(own.map(describe))];
  const extra = [...found].find((part) => !expected.has(part));
  const missing = [...expected].find((part) => !found.has(part));
  if (!extra && !missing) return;
  const difference = extra ? `it has ${extra}, which the model's lacks` : `it lacks ${missing}, which the model's has`;
  throw new RangeError(`${directory}: another adapter than the model's: ${difference}`);
}

/** An expert's matrix, or the only one. */
function matrixOf({ data }: Parameter, expert: number): Omit<TensorSource, "name"> {
  const shape = data.shape.slice(-2);
  const [rows = 0, columns = 0] = shape;
  const matrix = data.view(expert * rows * columns, shape);
  return { dtype: "F32", shape, chunks: () => [matrix.bytes()] };
}

function fill({ data }: Parameter, expert: number, found: FoundTensor): void {
  const [rows = 0, columns = 0] = data.shape.slice(-2);
  readElements(found, 0, data, expert * rows * columns, rows * columns);
}

/** A base that lies beside the adapter by the way from one to the other, so that both can move; others as they are named. */
function namedFrom(directory: string, base: string | null): string | null {
  if (base === null || isAbsolute(base) || !existsSync(base)) return base;
  return relative(resolve(directory), resolve(base)) || ".";
}

/** The same way back: from the current directory. */
function namedHere(directory: string, base: string | null): string | null {
  if (base === null || isAbsolute(base) || !existsSync(resolve(directory, base))) return base;
  return relative(".", resolve(directory, base)) || ".";
}
