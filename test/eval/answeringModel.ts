/** A model that answers by a function, and counts what it was asked. */
import type { EvalModel, EvalRequest, EvalResponse } from "../../src/eval/harness/evalModel.js";

export class AnsweringModel implements EvalModel {
  readonly id = "answering";
  readonly name = "answering/model";
  asked = 0;
  readonly #answer: (request: EvalRequest, index: number) => EvalResponse;

  constructor(answer: (request: EvalRequest, index: number) => EvalResponse) {
    this.#answer = answer;
  }

  /** From the last to the first: the order is the model's affair. */
  async answer(
    requests: readonly EvalRequest[],
    onResponse: (index: number, response: EvalResponse) => void,
    signal: AbortSignal,
  ): Promise<void> {
    for (const [index, request] of [...requests.entries()].reverse()) {
      signal.throwIfAborted();
      this.asked++;
      onResponse(index, this.#answer(request, index));
      await Promise.resolve();
    }
  }

  promptAsRead(): null {
    return null;
  }

  async close(): Promise<void> {}
}

/** As likely as the continuation is short, but `favourite` before all. */
export function preferring(favourite: string): (request: EvalRequest) => EvalResponse {
  return (request) => {
    if (request.kind !== "loglikelihood") throw new Error(`a ${request.kind} was not expected`);
    const isBest = request.continuation.trim() === favourite;
    const logprob = isBest ? -0.5 : -request.continuation.length;
    return { kind: "loglikelihood", logprob, isGreedy: isBest, tokens: 1, cutTokens: 0 };
  };
}

export function writing(text: string, isTruncated = false): EvalResponse {
  return { kind: "generate", text, isTruncated, promptTokens: 5, completionTokens: 2, cutTokens: 0, cost: null };
}
