/** How well a model says what records teach: log-likelihood of their supervised tokens, without gradients. */
import type { SupervisedSequence } from "../model/batch.js";
import { supervisedBatch } from "../model/batch.js";
import type { DeepseekV3 } from "../model/deepseekV3.js";

export interface SupervisedLoss {
  /** Mean over all supervised tokens, in nats. */
  readonly loss: number;
  /** Share of them that were the arg max. */
  readonly accuracy: number;
  readonly tokens: number;
}

/** @param microBatchTokens tokens that go through the model at once; a longer record goes alone */
export async function supervisedLoss(
  model: DeepseekV3,
  records: readonly SupervisedSequence[],
  microBatchTokens: number,
): Promise<SupervisedLoss> {
  let [loss, right, tokens] = [0, 0, 0];
  for (const group of inOrder(records, microBatchTokens)) {
    using batch = supervisedBatch(model.arena, group, 0);
    const { logprobs, correct } = await model.tokenLogprobs(batch, 1);
    tokens += batch.numTargets[0] ?? 0;
    for (const [row, target] of (batch.targets?.ints() ?? []).entries()) {
      if (target < 0) continue;
      loss -= logprobs[row] ?? Number.NaN;
      right += correct[row] ?? 0;
    }
  }
  if (tokens === 0) throw new RangeError("validation: no record has a supervised token");
  return { loss: loss / tokens, accuracy: right / tokens, tokens };
}

/** What is said of each record's tokens; rows of one record belong together. */
export interface RecordLogprobs {
  /** Of token i given those before it; 0 for the first. */
  readonly logprobs: Float32Array;
  readonly entropies: Float32Array;
  /** Experts that each token was sent to, layer by layer; see SupervisedSequence. */
  readonly routes: ReadonlyMap<number, Int32Array>;
}

/** Log-probabilities of every supervised token, record by record. @param temperature logits are divided by it */
export async function recordLogprobs(
  model: DeepseekV3,
  records: readonly SupervisedSequence[],
  temperature: number,
  microBatchTokens: number,
): Promise<RecordLogprobs[]> {
  const results: RecordLogprobs[] = [];
  for (const group of inOrder(records, microBatchTokens)) {
    using batch = supervisedBatch(model.arena, group, 0);
    const chosen = new Map<number, Int32Array>();
    const { logprobs, entropies } = await model.tokenLogprobs(batch, temperature, (layer, { routing }) => {
      chosen.set(layer, routing.experts.ints().slice());
    });
    const k = model.config.numExpertsPerTok;
    let row = 0;
    for (const { ids } of group) {
      // Row i predicts token i + 1.
      const shifted = (values: Float32Array): Float32Array => {
        const own = new Float32Array(ids.length);
        own.set(values.subarray(row, row + ids.length - 1), 1);
        return own;
      };
      const [from, to] = [row * k, (row + ids.length) * k];
      const routes = new Map([...chosen].map(([layer, all]) => [layer, all.slice(from, to)]));
      results.push({ logprobs: shifted(logprobs), entropies: shifted(entropies), routes });
      row += ids.length;
    }
  }
  return results;
}

/** Runs of records of at most so many tokens, in their order. */
export function inOrder<T extends { readonly ids: ArrayLike<number> }>(records: readonly T[], tokens: number): T[][] {
  const groups: T[][] = [];
  let room = 0;
  for (const record of records) {
    if (record.ids.length > room || groups.length === 0) {
      groups.push([]);
      room = tokens;
    }
    groups.at(-1)?.push(record);
    room -= record.ids.length;
  }
  return groups;
}
