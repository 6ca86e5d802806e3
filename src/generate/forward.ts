/**
 * The two passes that generation is made of: prompts, a run of positions for each sequence, in the naive form of attention; and tokens that
 * are decoded or verified, row by row, in the absorbed form. A row's bits depend on its own sequence alone, not on what else is in the pass.
 */
import { inferenceBatch } from "../model/batch.js";
import type { AttentionContext } from "../model/block.js";
import type { DeepseekV3, Hidden, OnDispatched } from "../model/deepseekV3.js";
import type { Pause } from "../model/pieces.js";
import type { CacheDtype } from "../tensor/ops/latentAttention.js";
import { Tape } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";
import { LatentCache, type NewPosition, type NewPositions } from "./latentCache.js";
import { pagesFor } from "./pages.js";

/** What a pass leaves; its tensors live until it is disposed. */
export interface Pass extends Disposable {
  readonly tape: Tape;
  /** Of every row, or of those that are wanted. */
  readonly hidden: Hidden;
}

export interface PromptRun extends NewPositions {
  /** Tokens of the run; as many as `count`. */
  readonly ids: Int32Array;
}

export interface TokenRow extends NewPosition {
  readonly id: number;
}

/** What may be watched of a pass. */
export interface PassOptions {
  readonly onDispatched?: OnDispatched | null;
  /** See PrefillCache; called between layers too. */
  readonly pause?: Pause | null;
  /** Rows of prompts whose final states are wanted, at least one. Default: all. */
  readonly wanted?: readonly number[] | null;
}

/** Context and embedding input of prompts, for the model or an MTP module. */
export function promptContext(
  model: DeepseekV3,
  cache: LatentCache,
  tape: Tape,
  runs: readonly PromptRun[],
  pause: Pause | null = null,
): { readonly ids: Tensor; readonly context: AttentionContext } & Disposable {
  const batch = inferenceBatch(
    model.arena,
    runs.map(({ ids }) => ids),
    runs.map(({ start }) => start),
  );
  const context: AttentionContext = { kind: "prefill", batch, cache: cache.forPrefill(tape, runs, pause) };
  return { ids: batch.ids, context, [Symbol.dispose]: () => batch[Symbol.dispose]() };
}

/** The same of decoded rows. */
export function rowContext(
  cache: LatentCache,
  tape: Tape,
  rows: readonly TokenRow[],
): { readonly ids: Tensor; readonly context: AttentionContext } {
  const positions = tape.ints(rows.map(({ position }) => position));
  const context: AttentionContext = { kind: "decode", positions, cache: cache.forDecode(tape, rows) };
  return { ids: tape.ints(rows.map(({ id }) => id)), context };
}

/** Puts the runs into the cache. */
export async function prefillRuns(
  model: DeepseekV3,
  cache: LatentCache,
  runs: readonly PromptRun[],
  { onDispatched = null, pause = null, wanted = null }: PassOptions = {},
): Promise<Pass> {
  return passOf(model, async (tape) => {
    using inputs = promptContext(model, cache, tape, runs, pause);
    const positions = Math.max(...runs.map(({ start, count }) => start + count));
    return await model.hidden(tape, inputs.ids, inputs.context, positions, onDispatched, pause, wanted); // The inputs live as long.
  });
}

/** Puts the rows into the cache; rows of one sequence see each other in order of position. */
export async function decodeRows(
  model: DeepseekV3,
  cache: LatentCache,
  rows: readonly TokenRow[],
  { onDispatched = null }: PassOptions = {},
): Promise<Pass> {
  return passOf(model, (tape) => {
    const { ids, context } = rowContext(cache, tape, rows);
    const positions = Math.max(...rows.map(({ position }) => position + 1));
    return model.hidden(tape, ids, context, positions, onDispatched);
  });
}

async function passOf(model: DeepseekV3, run: (tape: Tape) => Promise<Hidden>): Promise<Pass> {
  const tape = new Tape(model.arena, { hasGrad: false });
  try {
    const hidden = await run(tape);
    return { tape, hidden, [Symbol.dispose]: () => tape[Symbol.dispose]() };
  } catch (error) {
    tape[Symbol.dispose]();
    throw error;
  }
}

/** A cache of one sequence, which `prefill` and `decode` fill token by token. */
export class SequenceCache implements Disposable {
  /** Most tokens it can hold. */
  readonly capacity: number;
  readonly latents: LatentCache;
  readonly pages: readonly number[];
  length = 0;

  constructor(model: DeepseekV3, capacity: number, dtype?: CacheDtype) {
    const count = Math.max(1, pagesFor(capacity));
    this.capacity = capacity;
    this.latents = new LatentCache(model, count, dtype);
    this.pages = Array.from({ length: count }, (_, page) => page);
  }

  [Symbol.dispose](): void {
    this.latents[Symbol.dispose]();
  }
}

/** Fills an empty cache with the prompt. @returns [vocab] logits after its last token */
export async function prefill(
  model: DeepseekV3,
  cache: SequenceCache,
  prompt: ArrayLike<number>,
): Promise<Float32Array> {
  const ids = Int32Array.from(prompt);
  const run = { ids, start: 0, count: ids.length, pages: cache.pages };
  using pass = await prefillRuns(model, cache.latents, [run], { wanted: [ids.length - 1] });
  cache.length = ids.length;
  return model.logits(pass.tape, pass.hidden.normed, "decode").floats().slice();
}

/** One more token. @returns [vocab] logits after it */
export async function decode(model: DeepseekV3, cache: SequenceCache, id: number): Promise<Float32Array> {
  const position = cache.length;
  if (position >= cache.capacity) throw new Error(`internal: the cache holds ${cache.capacity} tokens, no more`);
  using pass = await decodeRows(model, cache.latents, [{ id, position, pages: cache.pages }]);
  cache.length++;
  return model.logits(pass.tape, pass.hidden.normed, "decode").floats().slice();
}
