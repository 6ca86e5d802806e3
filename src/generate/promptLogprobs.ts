/** Log-probabilities of a prompt's own tokens, read off the pass that puts it into the cache. */
import type { DeepseekV3 } from "../model/deepseekV3.js";
import type { Tape } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";
import type { PromptRun } from "./forward.js";
import type { Job } from "./job.js";
import { logprobsOf } from "./sampler.js";

/** Rows whose logits are there at once. */
const block = 64;

/** Appends those of the tokens after a run's positions to the job's. @param normed [count, hiddenSize] of the positions from `start` on */
export function readPromptLogprobs(
  model: DeepseekV3,
  tape: Tape,
  normed: Tensor,
  { start, count }: Pick<PromptRun, "start" | "count">,
  { request, promptLogprobs }: Job,
  usableIds: number,
): void {
  const { prompt, promptLogprobIds } = request;
  const last = Math.min(count, prompt.length - 1 - start);
  for (let begin = 0; begin < last; begin += block) {
    const rows = Math.min(block, last - begin);
    const logits = tape.scoped(() => model.logits(tape, normed.rowsFrom(begin, rows)));
    const values = logits.floats();
    const width = logits.columns;
    for (let row = 0; row < rows; row++) {
      const id = prompt[start + begin + row + 1] ?? 0;
      const reader = logprobsOf(
        values.subarray(row * width, (row + 1) * width),
        usableIds,
        request.promptLogprobs ?? 0,
      );
      const asked = promptLogprobIds.map((other) => ({ id: other, logprob: reader.of(other) }));
      const told = { id, logprob: reader.of(id), top: reader.top };
      promptLogprobs?.push(asked.length > 0 ? { ...told, asked } : told);
    }
    logits.free();
  }
}
