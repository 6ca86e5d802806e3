/** What of a trainer goes into a checkpoint, and back: moments, masters where they are not the weights themselves, the average. */
import type { StatePiece } from "../checkpoint/trainState.js";
import { loadTrainState, saveTrainState } from "../checkpoint/trainState.js";
import type { RealisedShare } from "../data/pretrainLoader.js";
import type { ProcessGrid } from "../distributed/grid.js";
import { isObject } from "../files/json.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import type { Trainer } from "./trainer.js";

/** Where a run stands. */
export interface RunState {
  readonly stage: string;
  readonly step: number;
  readonly tokens: number;
  /** Where the data stands; plain JSON, of the stage's own form. */
  readonly loader: Readonly<Record<string, unknown>>;
}

export interface CheckpointOptions {
  /** And what the mixture of sources has come to, for the record of pre-training. */
  readonly state: RunState & { readonly shares?: readonly RealisedShare[] };
  readonly tokenizer: Tokenizer;
  readonly keepLast: number;
  /** Puts more files into the folder. */
  readonly extras?: (folder: string) => void;
}

function piecesOf(trainer: Trainer, grid: ProcessGrid): StatePiece[] {
  return trainer.optimizer.shards.map(({ parameter, start, length, master, m, v }, i) => {
    // Experts of rank r are elements [r * size, (r + 1) * size) of the whole array.
    const offset = parameter.shape.length === 3 ? grid.expertGroup.rank * parameter.data.size : 0;
    const average = trainer.ema?.averages[i];
    const arrays = {
      m,
      v,
      ...(parameter.data.dtype === "float32" ? {} : { master }),
      ...(average ? { ema: average } : {}),
    };
    return { parameter: parameter.name, start: offset + start, length, arrays };
  });
}

/** @returns the checkpoint's path */
export async function saveTrainingCheckpoint(
  run: string,
  trainer: Trainer,
  grid: ProcessGrid,
  { state, tokenizer, keepLast, extras }: CheckpointOptions,
): Promise<string> {
  const weights = await trainer.optimizer.exactWeights();
  try {
    return await saveTrainState({
      run,
      step: state.step,
      model: trainer.model,
      weights,
      pieces: piecesOf(trainer, grid),
      state: { ...state, optimizerSteps: trainer.optimizer.stepsApplied },
      groups: grid,
      keepLast,
      extras: (folder) => {
        tokenizer.save(folder);
        extras?.(folder);
      },
    });
  } finally {
    for (const tensor of weights.values()) tensor.free();
  }
}

/**
 * Restores weights, optimizer and average.
 * @param isSameModel false: the config may differ as long as every tensor fits
 * @throws RangeError for a damaged or unfitting checkpoint
 */
export async function loadTrainingCheckpoint(
  folder: string,
  trainer: Trainer,
  grid: ProcessGrid,
  isSameModel = true,
): Promise<RunState> {
  const share = { rank: grid.expertGroup.rank, size: grid.expertGroup.size };
  const { state } = loadTrainState(folder, trainer.model, share, piecesOf(trainer, grid), isSameModel);
  const { stage, step, tokens, loader, optimizerSteps } = state;
  if (
    typeof stage !== "string" ||
    typeof step !== "number" ||
    typeof tokens !== "number" ||
    typeof optimizerSteps !== "number" ||
    !isObject(loader)
  ) {
    throw new RangeError(`${folder}: trainer.json lacks stage, step, tokens, optimizerSteps or loader`);
  }
  trainer.optimizer.stepsApplied = optimizerSteps;
  await trainer.optimizer.publishMasters();
  return { stage, step, tokens, loader };
}
