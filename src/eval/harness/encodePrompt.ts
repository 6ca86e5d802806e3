/**
 * Prompts and continuations as ids; evaluation.md 8.2 to 8.4. White space at the end of a context belongs to what follows it, both are
 * tokenised as one text, and the continuation is what lies beyond the length of the context's own ids. A token that joins the two counts to
 * the context, as in lm-eval, but one token at least is scored. What is too long keeps its right end.
 */
import { chatPrompt } from "../../tokenizer/chatTemplate.js";
import { joinIds, promptIds, startIds } from "../../tokenizer/promptIds.js";
import type { Tokenizer } from "../../tokenizer/tokenizer.js";
import type { PromptCut } from "../taskFile.js";
import type { Prompt } from "./prompt.js";

/** Ids of which those from `from` on are scored. */
export interface ScoredIds {
  readonly ids: Int32Array;
  readonly from: number;
  /** Ids lost at the beginning. */
  readonly cut: number;
}

/**
 * @param most ids that may be given, the last of which is only scored
 * @throws RangeError for an empty continuation, or one that does not fit by itself
 */
export function encodePair(tokenizer: Tokenizer, prompt: Prompt, continuation: string, most: number): ScoredIds {
  if (continuation === "") throw new RangeError("a continuation is empty: nothing of it can be scored");
  const { context, whole } =
    prompt.kind === "chat" ? chatPair(tokenizer, prompt, continuation) : textPair(tokenizer, prompt, continuation);
  checkBegin(tokenizer, whole);
  const from = Math.min(context.length, whole.length - 1);
  const cut = Math.max(0, whole.length - most);
  if (cut >= from) {
    throw new RangeError(
      `a continuation of ${whole.length - from} tokens does not fit into the model's ${most - 1} positions with a token before it`,
    );
  }
  return { ids: whole.subarray(cut), from: from - cut, cut };
}

/**
 * The ids that an answer follows.
 * @param most ids that may be given
 * @param part what a longer prompt loses
 * @throws RangeError for a longer prompt that may lose nothing
 */
export function encodePrompt(
  tokenizer: Tokenizer,
  prompt: Prompt,
  most: number,
  part: PromptCut = "start",
): { readonly ids: Int32Array; readonly cut: number } {
  const ids =
    prompt.kind === "chat"
      ? chatPrompt(tokenizer, prompt.messages, {}, startOf(prompt.answerStart)).ids
      : prompt.text === "" && prompt.suffix === null
        ? Int32Array.from(prefixOf(tokenizer))
        : promptIds(tokenizer, prompt.text, prompt.suffix);
  checkBegin(tokenizer, ids);
  const cut = Math.max(0, ids.length - most);
  if (cut > 0 && prompt.kind === "text" && prompt.suffix !== null) {
    throw new RangeError(`text around a gap has ${ids.length} tokens; there is room for ${most}`);
  }
  if (cut > 0 && part === "none") {
    throw new RangeError(`the prompt has ${ids.length} tokens, of which none may be cut; there is room for ${most}`);
  }
  // The odd one stays at the beginning.
  const head = part === "middle" && cut > 0 ? Math.ceil(most / 2) : 0;
  return { ids: joinIds([ids.subarray(0, head), ids.subarray(head + cut)]), cut };
}

/**
 * Windows over a whole document: each id is scored once, with as many before it as the window has room for; the first stands behind the token
 * that begins a document.
 * @param most ids of a window, the last of which is only scored
 */
export function rollingWindows(tokenizer: Tokenizer, text: string, most: number): ScoredIds[] {
  const ids = joinIds([prefixOf(tokenizer), tokenizer.encode(text)]);
  // Counted without the first, as targets; windows read `most - 1` ids.
  const total = ids.length - 1;
  const windows: ScoredIds[] = [];
  for (let done = 0; done < total; ) {
    const end = Math.min(total, done + most - 1);
    const begin = Math.max(0, end + 1 - most);
    windows.push({ ids: ids.subarray(begin, end + 1), from: done + 1 - begin, cut: 0 });
    done = end;
  }
  return windows;
}

function textPair(
  tokenizer: Tokenizer,
  { text, suffix }: Extract<Prompt, { readonly kind: "text" }>,
  continuation: string,
): { readonly context: Int32Array; readonly whole: Int32Array } {
  if (suffix !== null) throw new RangeError("what fills a gap can be generated, not scored");
  const context = text.trimEnd();
  const rest = text.slice(context.length) + continuation;
  const before = context === "" ? prefixOf(tokenizer) : startIds(tokenizer);
  return {
    context: joinIds([before, tokenizer.encode(context)]),
    whole: joinIds([before, tokenizer.encode(context + rest)]),
  };
}

function chatPair(
  tokenizer: Tokenizer,
  { messages, answerStart }: Extract<Prompt, { readonly kind: "chat" }>,
  continuation: string,
): { readonly context: Int32Array; readonly whole: Int32Array } {
  // Given an answer, a template that opens a thought has it closed again, with and without the continuation.
  const ids = (content: string): Int32Array => chatPrompt(tokenizer, messages, {}, { content, reasoning: null }).ids;
  return { context: ids(answerStart), whole: ids(answerStart + continuation) };
}

function startOf(content: string): { readonly content: string; readonly reasoning: null } | null {
  return content === "" ? null : { content, reasoning: null };
}

/** What stands before a text that nothing stands before: the begin token, else the end token. */
function prefixOf({ bosTokenId, eosTokenId }: Tokenizer): readonly number[] {
  const prefix = bosTokenId ?? eosTokenId;
  if (prefix !== null) return [prefix];
  throw new RangeError("the tokenizer has neither a begin nor an end token to put before a text without context");
}

/** A template and the tokenizer may both write the begin token. */
function checkBegin({ bosTokenId }: Tokenizer, ids: Int32Array): void {
  if (bosTokenId === null || ids[0] !== bosTokenId || ids[1] !== bosTokenId) return;
  throw new RangeError("the prompt begins with two begin tokens: the chat template and the tokenizer both add one");
}
