/**
 * A model that judges answers: one message, one reply, drawn greedily. Replies are kept as answers are, so that a verdict once given is not
 * asked for again, and another judge can judge the kept answers anew.
 */
import type { EvalModel, EvalResponse, GenerateRequest } from "./evalModel.js";
import { type RequestCache, requestKey } from "./requestCache.js";

const settings = { until: [], maxGenToks: 1024, temperature: 0, topP: 1, topK: 0 };

/** @throws what the judge's model throws */
export async function judgeReply(
  judge: EvalModel,
  cache: RequestCache | null,
  message: string,
  signal: AbortSignal,
): Promise<string> {
  const prompt = { kind: "chat", messages: [{ role: "user", content: message }], answerStart: "" } as const;
  const request: GenerateRequest = { kind: "generate", prompt, settings, seed: 0, repeat: 0 };
  const key = requestKey(judge.id, request);
  const known = cache?.find(key) ?? null;
  if (known) return textOf(known);
  let reply = "";
  await judge.answer(
    [request],
    (_, response) => {
      reply = textOf(response);
      cache?.add(key, response);
    },
    signal,
  );
  return reply;
}

function textOf(response: EvalResponse): string {
  if (response.kind === "generate") return response.text;
  throw new Error(`internal: a ${response.kind} response to a request for text`);
}
