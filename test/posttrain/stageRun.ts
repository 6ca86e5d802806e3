/** Stages on a tiny model: a base on the disk, a folder for runs, and what two runs must have in common. */
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { saveModel } from "../../src/checkpoint/modelFiles.js";
import type { Communicator } from "../../src/distributed/communicator.js";
import { createGrid, type ProcessGrid } from "../../src/distributed/grid.js";
import { singleCommunicator } from "../../src/distributed/single.js";
import type { ModelConfig } from "../../src/model/config.js";
import { defaultStageSettings, type StageSettings } from "../../src/posttrain/settings.js";
import { buildTokenizerConfig, buildTokenizerJson } from "../../src/tokenizer/newTokenizer.js";
import { Tokenizer } from "../../src/tokenizer/tokenizer.js";
import type { StepEvent, TrainEvent, TrainResult, ValidationEvent } from "../../src/train/events.js";
import { smallConfig, smallModel } from "../invariance/models.js";

export const tokenizer = Tokenizer.fromJson(buildTokenizerJson([]), buildTokenizerConfig());

export interface StagePlace {
  readonly folder: string;
  /** Directory of the model to begin with. */
  readonly base: string;
  readonly config: ModelConfig;
  readonly settings: StageSettings;
  readonly remove: () => void;
}

/** @param changes of the small model's config */
export function stagePlace(changes: Readonly<Record<string, unknown>> = {}): StagePlace {
  const folder = mkdtempSync(join(tmpdir(), "fathom-stage-"));
  const config = smallConfig({ vocab_size: tokenizer.vocabSize, num_nextn_predict_layers: 0, ...changes });
  const model = smallModel(config);
  const base = join(folder, "base");
  saveModel(base, model);
  tokenizer.save(base);
  model.free();
  const settings: StageSettings = {
    ...defaultStageSettings(config),
    dtype: "float32",
    shape: "constant",
    maxLength: config.maxPositionEmbeddings,
    microBatchTokens: config.maxPositionEmbeddings,
    saveEvery: 0,
    validateEvery: 0,
  };
  return { folder, base, config, settings, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** What a stage is given beside its data and options. */
export async function stageInput(
  place: StagePlace,
  run: string,
  changes: Partial<StageSettings> = {},
  world: Communicator = singleCommunicator(),
): Promise<StageInputParts> {
  const { base, config, settings } = place;
  return {
    ...{ run: join(place.folder, run), base, config, tokenizer, records: [], asked: {}, resumeFrom: null },
    settings: { ...settings, ...changes },
    grid: await createGrid(world),
  };
}

export interface StageInputParts {
  readonly run: string;
  readonly base: string;
  readonly config: ModelConfig;
  readonly settings: StageSettings;
  readonly tokenizer: Tokenizer;
  readonly records: [];
  readonly asked: Readonly<Record<string, unknown>>;
  readonly grid: ProcessGrid;
  readonly resumeFrom: string | null;
}

export interface Told {
  readonly steps: readonly StepEvent[];
  readonly validations: readonly ValidationEvent[];
  readonly result: TrainResult;
}

/** Goes through a stage to its end. */
export async function told(events: AsyncGenerator<TrainEvent, TrainResult>): Promise<Told> {
  const all: TrainEvent[] = [];
  for (;;) {
    const { value, done } = await events.next();
    if (!done) {
      all.push(value);
      continue;
    }
    return {
      steps: all.filter((event) => event.kind === "step"),
      validations: all.filter((event) => event.kind === "validation"),
      result: value,
    };
  }
}

/** An event without what depends on the clock and on memory. */
export function timeless(event: StepEvent | ValidationEvent): object {
  return { ...event, tokensPerSecond: 0, peakFraction: 0, memoryBytes: 0, seconds: 0 };
}

/** SHA-256 of every file of a run's newest checkpoint. */
export function checkpointHashes(run: string): Record<string, string> {
  const folder = join(run, "checkpoints", "latest");
  const hash = (name: string): string =>
    createHash("sha256")
      .update(readFileSync(join(folder, name)))
      .digest("hex");
  return Object.fromEntries(readdirSync(folder).map((name) => [name, hash(name)]));
}
