/** The second turn of a chat: what was asked and answered, and one message more. Aider's second try and LongBench's letter come so. */
import { hashInts } from "../../data/random.js";
import type { GenerateRequest } from "./evalModel.js";

/**
 * @param answer to the request, without thoughts: templates leave those of earlier turns out
 * @throws RangeError for a request that is no chat
 */
export function followUpRequest(request: GenerateRequest, answer: string, message: string): GenerateRequest {
  const { prompt, seed } = request;
  if (prompt.kind !== "chat") {
    throw new RangeError(
      "a second question is a turn of a chat, and this one was asked as text: --apply-chat-template",
    );
  }
  const messages = [
    ...prompt.messages,
    { role: "assistant", content: prompt.answerStart + answer },
    { role: "user", content: message },
  ];
  return { ...request, prompt: { kind: "chat", messages, answerStart: "" }, seed: seed === 0 ? 0 : hashInts(seed, 1) };
}
