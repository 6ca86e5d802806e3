/**
 * Who can be asked to judge: a model of our own engine, or any server that speaks OpenAI's chat completions
 * (eval/harness/endpointModel.ts, which asks a server that fails for a while again, ever later, and stops with a line that says so when
 * it keeps failing).
 */
import type { EvalModel } from "../../eval/harness/evalModel.js";
import type { LanguageModel } from "../../generate/languageModel.js";
import type { AskJudge } from "./judge.js";

/** Its thoughts, if it has some, are not part of the answer. */
export function askEngine(model: LanguageModel): AskJudge {
  return async ({ messages, temperature, maxTokens, seed }, signal) => {
    signal.throwIfAborted();
    const { content } = await model.chat(messages, { temperature, maxTokens, seed, signal }).result();
    signal.throwIfAborted();
    return content;
  };
}

/** @param endpoint of `openEndpoint`, for one */
export function askEndpoint(endpoint: EvalModel): AskJudge {
  return async ({ messages, temperature, maxTokens, seed }, signal) => {
    const settings = { until: [], maxGenToks: maxTokens, temperature, topP: 1, topK: 0 };
    const prompt = { kind: "chat", messages, answerStart: "" } as const;
    let text: string | null = null;
    await endpoint.answer(
      [{ kind: "generate", prompt, settings, seed, repeat: 0 }],
      (_, response) => {
        if (response.kind !== "generate") throw new Error(`internal: an answer of kind ${response.kind}`);
        if ((response.cutTokens ?? 0) > 0) throw new RangeError("judge: question and answer are longer than the model");
        text = response.text;
      },
      signal,
    );
    if (text === null) throw new Error("internal: the model did not answer");
    return text;
  };
}
