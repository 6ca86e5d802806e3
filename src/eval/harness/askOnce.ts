/** One text of a model outside the run's great heap of requests: of a judge, or a second turn. Kept as other answers are. */
import type { EvalModel, EvalResponse, GenerateRequest, GenerateResponse } from "./evalModel.js";
import { type RequestCache, requestKey } from "./requestCache.js";

/** @throws what the model throws */
export async function askOnce(
  model: EvalModel,
  cache: RequestCache | null,
  request: GenerateRequest,
  signal: AbortSignal,
): Promise<GenerateResponse> {
  const key = requestKey(model.id, request);
  const known = cache?.find(key) ?? null;
  if (known) return written(known);
  let answer: EvalResponse | null = null;
  await model.answer(
    [request],
    (_, response) => {
      cache?.add(key, response);
      answer = response;
    },
    signal,
  );
  return written(answer);
}

function written(response: EvalResponse | null): GenerateResponse {
  if (response?.kind === "generate") return response;
  throw new Error(`internal: ${response === null ? "no" : `a ${response.kind}`} response to a request for text`);
}
