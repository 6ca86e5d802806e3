/**
 * A model that judges answers: one message, one reply, drawn greedily. Replies are kept as answers are, so that a verdict once given is not
 * asked for again, and another judge can judge the kept answers anew.
 */
import { askOnce } from "./askOnce.js";
import type { EvalModel, GenerateRequest } from "./evalModel.js";
import type { RequestCache } from "./requestCache.js";

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
  return (await askOnce(judge, cache, request, signal)).text;
}
