/**
 * How much a model can still write: the server refuses a prompt that does not fit with its max_tokens, so the page counts first, as
 * `fathom generate` does, and asks for no more than there is room for.
 */
import { openStream } from "../api.js";
import type { Asked, Message, WireRequest } from "./settings.js";

/** Ids that a gap has beside its two texts and their start tokens: begin, hole and end, less one of the two starts. */
const gapIds = 2;

/** @returns positions behind the prompt; null if the server does not count */
export async function roomFor(asked: Asked, request: WireRequest, signal: AbortSignal): Promise<number | null> {
  try {
    const { model } = request.body;
    const counts = await Promise.all(textsOf(asked, request).map((text) => count({ model, ...text }, signal)));
    const used = counts.reduce((sum, one) => sum + one.count, asked.mode === "fim" ? gapIds : 0);
    return Math.min(...counts.map(({ max_model_len }) => max_model_len)) - used;
  } catch {
    return null;
  }
}

/** The request with at most that many tokens; as it is where nothing fits, for the server to say so. */
export function withinRoom(request: WireRequest, room: number | null): WireRequest {
  const asked = request.body.max_tokens;
  if (room === null || room < 1 || typeof asked !== "number" || asked <= room) return request;
  return { ...request, body: { ...request.body, max_tokens: room } };
}

function textsOf(
  asked: Asked,
  { body }: WireRequest,
): ({ readonly prompt: string } | { readonly messages: readonly Message[] })[] {
  switch (asked.mode) {
    case "chat":
      // With the system prompt, which the request has and the conversation has not.
      return [{ messages: body.messages as readonly Message[] }];
    case "completion":
      return [{ prompt: asked.prompt }];
    case "fim":
      return [{ prompt: asked.prompt }, { prompt: asked.suffix }];
    default:
      return asked satisfies never;
  }
}

async function count(body: object, signal: AbortSignal): Promise<{ count: number; max_model_len: number }> {
  const answer = await new Response(await openStream("/tokenize", body, signal)).json();
  return answer as { count: number; max_model_len: number };
}
