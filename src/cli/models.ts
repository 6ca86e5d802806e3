/** Opening what a user names as a model: a run, a checkpoint, a directory in Hugging Face layout, or an adapter. */
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { findModel, tokenizerFolder } from "../checkpoint/modelSource.js";
import { openCheckpoint } from "../checkpoint/openCheckpoint.js";
import { isObject } from "../files/json.js";
import { openTokenizer } from "../generate/openTokenizer.js";
import type { DeepseekV3 } from "../model/deepseekV3.js";
import type { ComputeDtype } from "../tensor/dtype.js";
import { native } from "../tensor/native.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { readRunRecord } from "../train/runFiles.js";
import { localModel } from "./modelPath.js";
import { say } from "./output.js";
import { quantDtypes, type WeightPrecision } from "./precision.js";

export interface OpenOptions {
  /** Default: the checkpoint's own. */
  readonly dtype?: ComputeDtype;
  readonly threads?: number;
  /** Precision of the matrices in memory. Default: FP8 where the files hold that, else the arithmetic's. */
  readonly weights?: WeightPrecision;
  /** With `weights`: the output head stays as it is. */
  readonly plainHead?: boolean;
  readonly adapter?: string;
}

export interface OpenedModel {
  readonly directory: string;
  readonly model: DeepseekV3;
  readonly tokenizer: Tokenizer | null;
  /** Tokens that the model's run validated with; else the model's positions. */
  readonly window: number;
  /** Of a model whose files were cut short meanwhile nothing is to be told. @throws RangeError naming the file */
  readonly checkFiles: () => void;
}

/** @throws RangeError for a path without a model, or files that do not fit together */
export async function openModel(path: string, options: OpenOptions): Promise<OpenedModel> {
  const source = await findModel(path, options.adapter, localModel);
  const { directory, adapter } = source;
  native().setThreads(options.threads ?? availableParallelism());
  const weights = options.weights && quantDtypes[options.weights];
  const opened = openCheckpoint(directory, { ...options, weights, adapter, isWatched: true });
  const { model, config, unexpected } = opened;
  if (unexpected.length > 0) {
    say(
      `${directory}: ${unexpected.length} tensors are not part of the model and left out: ${unexpected.slice(0, 3).join(", ")}`,
    );
  }
  const tokenizer = openTokenizer(tokenizerFolder(source), config);
  const window = (adapter === null ? null : trainedWindow(adapter)) ?? trainedWindow(directory);
  const checkFiles = (): void => {
    const damage = opened.damage();
    if (damage !== null) throw new RangeError(damage);
  };
  return { directory, model, tokenizer, window: window ?? config.maxPositionEmbeddings, checkFiles };
}

/** sequenceLength of the run that a checkpoint lies in. */
export function trainedWindow(directory: string): number | null {
  const settings = readRunRecord(dirname(dirname(directory)))?.settings;
  const length = isObject(settings) ? settings.sequenceLength : null;
  return typeof length === "number" ? length : null;
}

/** The directory with tokenizer.json that a user means. @throws RangeError if there is none */
export function findTokenizer(path: string): string {
  for (const folder of [path, join(path, "tokenizer"), join(path, "checkpoints", "latest")]) {
    if (existsSync(join(folder, "tokenizer.json"))) return folder;
  }
  throw new RangeError(`${path}: no tokenizer.json here`);
}
