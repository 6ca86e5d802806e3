/** How likely a model finds a text: the log-probability of each token given those before it. */
import { idsOf } from "./completeText.js";
import { modelFailure } from "./modelFailure.js";
import type { Model } from "./request.js";

export interface ScoreTextOptions {
  /** Ends the work within one step. */
  readonly signal?: AbortSignal;
}

export interface TextScore {
  /** Of a text, with the start of a document before it. */
  readonly ids: readonly number[];
  /** Natural logarithms, one for each id; null for the first, which nothing predicts. */
  readonly logprobs: readonly (number | null)[];
  /** Of all that are not null; 0 for a single token. */
  readonly sum: number;
}

/**
 * @param text text, which becomes the beginning of a document; or token ids, taken as they are
 * @throws RangeError for a prompt without tokens or one that the model refuses; the signal's reason once it is aborted
 */
export async function scoreText(
  model: Model,
  text: string | ArrayLike<number>,
  { signal }: ScoreTextOptions = {},
): Promise<TextScore> {
  const ids = Array.from(idsOf("score", model, text, null));
  let logprobs: readonly (number | null)[] | null = null;
  for await (const event of model.stream({ prompt: ids, maxTokens: 0, promptLogprobs: 0 }, signal)) {
    if (event.type === "prompt") logprobs = event.logprobs?.map((each) => each?.logprob ?? null) ?? null;
    if (event.type !== "finish") continue;
    if (event.reason === "error") throw modelFailure(model, event.error);
    if (event.reason === "abort") {
      signal?.throwIfAborted();
      throw new Error("score: the model was closed meanwhile");
    }
  }
  if (logprobs === null) throw new Error("internal: the model gave no log-probabilities of the prompt");
  return { ids, logprobs, sum: logprobs.reduce<number>((sum, value) => sum + (value ?? 0), 0) };
}
