/** What is told of each token: log-probabilities in OpenAI's form for chats, and for our own page also drafts and experts. */
import type { GenerationEvent, PositionLogprobs, TokenLogprob } from "../generate/request.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { tokenText } from "./tokenText.js";

export type TokenEvent = Extract<GenerationEvent, { readonly type: "token" }>;

export interface ChatLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[];
  readonly top_logprobs: readonly Omit<ChatLogprob, "top_logprobs">[];
}

/** A token as our page opens it. */
export interface TracedToken {
  readonly id: number;
  readonly text: string;
  readonly logprob: number | null;
  readonly top: readonly { readonly id: number; readonly text: string; readonly logprob: number }[];
  readonly isDrafted: boolean;
  /** By MoE layer. */
  readonly experts: readonly (readonly number[])[];
}

/** JSON has no infinity: what cannot come next is as unlikely as OpenAI's clients know it. */
export const leastLogprob = -9999;

export function finite(logprob: number): number {
  return Number.isFinite(logprob) ? logprob : leastLogprob;
}

/** @param top most alternatives to show; the engine may have been asked for more */
export function chatLogprob(
  tokenizer: Tokenizer | null,
  { id, logprob, top }: PositionLogprobs,
  most: number,
): ChatLogprob {
  const one = (of: TokenLogprob): Omit<ChatLogprob, "top_logprobs"> => {
    const { token, bytes } = tokenText(tokenizer, of.id);
    return { token, logprob: finite(of.logprob), bytes };
  };
  return { ...one({ id, logprob }), top_logprobs: top.slice(0, most).map(one) };
}

export function tracedToken(
  tokenizer: Tokenizer | null,
  { id, logprobs, trace }: TokenEvent,
  most: number,
): TracedToken {
  return {
    id,
    text: tokenText(tokenizer, id).token,
    logprob: logprobs ? finite(logprobs.logprob) : null,
    top: (logprobs?.top ?? []).slice(0, most).map((each) => ({
      id: each.id,
      text: tokenText(tokenizer, each.id).token,
      logprob: finite(each.logprob),
    })),
    isDrafted: trace?.isDrafted ?? false,
    experts: trace?.experts ?? [],
  };
}
