/**
 * Drafts by the multi-token-prediction module (report section 5.4.3): from the state of a position and the token after it the module tells the
 * next one; chained on its own state and token it tells those beyond. Drafts are the likeliest tokens, and what is written does not
 * depend on them: the model's own choice at each position, drawn as ever, either is the draft, and the next row holds as well, or is not.
 */
import type { DeepseekV3 } from "../model/deepseekV3.js";
import type { Pause } from "../model/pieces.js";
import { gatherRows } from "../tensor/ops/elementwise.js";
import type { Tape } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Choice } from "./choice.js";
import { type PromptRun, promptContext, rowContext } from "./forward.js";
import type { LatentCache } from "./latentCache.js";
import { runningSums } from "./runningSums.js";
import { argMax } from "./sampler.js";

/** New positions of a choice whose next token is known now: rows [row, row + count) of the pass, from `position` on. */
export interface Confirmed {
  readonly choice: Choice;
  readonly row: number;
  readonly count: number;
  readonly position: number;
}

export class Drafter {
  readonly #model: DeepseekV3;
  readonly #cache: LatentCache;
  readonly #usableIds: number;

  constructor(model: DeepseekV3, cache: LatentCache, usableIds: number) {
    this.#model = model;
    this.#cache = cache;
    this.#usableIds = usableIds;
  }

  /** The states that the first module reads. */
  stateOf({ raw, normed }: { readonly raw: Tensor; readonly normed: Tensor }): Tensor {
    return this.#model.config.mtpHiddenPostNorm ? normed : raw;
  }

  /**
   * The module's latents of prompts: a run's tokens are those one place on, so the last position of a prompt waits for its first token.
   * @param runs each with the place where its states begin in `states`
   */
  async readPrompts(
    tape: Tape,
    states: Tensor,
    runs: readonly (PromptRun & { readonly row: number })[],
    pause: Pause,
  ): Promise<void> {
    if (runs.length === 0) return;
    const rows = runs.flatMap(({ row, count }) => Array.from({ length: count }, (_, i) => row + i));
    const positions = Math.max(...runs.map(({ start, count }) => start + count));
    using inputs = promptContext(this.#model, this.#cache, tape, runs, pause);
    const { context, ids } = inputs;
    await this.#forward(tape, gatherRows(tape, states, rows), ids, context, positions);
  }

  /** Reads the confirmed positions and writes `depth` drafts to each choice; pages for them are there. */
  async draft(tape: Tape, states: Tensor, confirmed: readonly Confirmed[], depth: number): Promise<void> {
    if (confirmed.length === 0) return;
    const first = confirmed.flatMap(({ choice, count, position }) =>
      Array.from({ length: count }, (_, i) => ({
        id: choice.tokenAt(position + i + 1),
        position: position + i,
        pages: choice.pages,
      })),
    );
    const rows = confirmed.flatMap(({ row, count }) => Array.from({ length: count }, (_, i) => row + i));
    let ends = runningSums(confirmed.map(({ count }) => count)).map((sum) => sum - 1);
    let state = await this.#rows(tape, gatherRows(tape, states, rows), first);
    const drafts = confirmed.map((): number[] => []);
    for (let k = 1; ; k++) {
      const last = { hidden: gatherRows(tape, state.hidden, ends), normed: gatherRows(tape, state.normed, ends) };
      const logits = this.#model.logits(tape, last.normed, "decode");
      const values = logits.floats();
      const width = logits.columns;
      drafts.forEach((draft, i) => {
        draft.push(argMax(values.subarray(i * width, (i + 1) * width), this.#usableIds));
      });
      if (k >= depth) break;
      const next = confirmed.map(({ choice, position, count }, i) => ({
        id: drafts[i]?.at(-1) ?? 0,
        position: position + count - 1 + k,
        pages: choice.pages,
      }));
      state = await this.#rows(tape, this.#model.config.mtpHiddenPostNorm ? last.normed : last.hidden, next);
      ends = next.map((_, i) => i);
    }
    for (const [i, { choice }] of confirmed.entries()) choice.drafts = drafts[i] ?? [];
  }

  async #rows(
    tape: Tape,
    states: Tensor,
    rows: Parameters<typeof rowContext>[2],
  ): Promise<{ readonly hidden: Tensor; readonly normed: Tensor }> {
    const { ids, context } = rowContext(this.#cache, tape, rows);
    return this.#forward(tape, states, ids, context, Math.max(...rows.map(({ position }) => position + 1)));
  }

  async #forward(
    tape: Tape,
    states: Tensor,
    ids: Tensor,
    context: Parameters<DeepseekV3["hidden"]>[2],
    positions: number,
  ): Promise<{ readonly hidden: Tensor; readonly normed: Tensor }> {
    const module = this.#model.mtp[0];
    if (!module) throw new Error("internal: drafts by a model without MTP modules");
    const { embedTokens } = this.#model;
    return module.forward(tape, states, ids, embedTokens, context, this.#model.tables(positions), null);
  }
}
