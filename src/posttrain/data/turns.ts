/**
 * Where an assistant's turn stands in a rendered conversation: what inference shows the model before it (`before`, which ends with the template's
 * opening of the turn) and what the model is then to write (`answer`, which ends with the token that ends a turn). post-training.md 3.3, 3.4.
 *
 * A template that marks what is generated ({% generation %}) says so itself; the marks become characters that no message has. Every other
 * template is asked twice: for the conversation up to the turn with an opening, and for the conversation with the turn. The second text must
 * begin with the first; what follows is the answer. Two things come between them, and are seen to:
 * - a template that opens a thought but shows none in what was said (R1): the answer stands where the thought was opened, and gets its thought back;
 * - a turn that looks otherwise in a history than where it is asked for (DeepSeek-V3's second round of calls has no opening): the answer is what
 *   the turn is in a conversation of its own.
 * Where none of this helps, the template is refused.
 */
import {
  type ChatMessage,
  chatTemplateOf,
  compileChatTemplate,
  guardedChat,
  unusedCharacters,
} from "../../tokenizer/chatTemplate.js";
import { thinkBegin, thinkEnd } from "../../tokenizer/specialTokens.js";
import type { Tokenizer } from "../../tokenizer/tokenizer.js";
import { type ToolDescription, templateKnowsTools, withTools } from "../../tokenizer/toolPrompt.js";
import { markGenerations, markVariables } from "./generationMarks.js";
import { type EarlierReasoning, inlineThought, splitThought, withReasoning } from "./thoughts.js";

export interface TurnOptions {
  readonly earlierReasoning: EarlierReasoning;
  /** Further variables of the template (`thinking`, ...). */
  readonly variables: Readonly<Record<string, unknown>>;
}

/** A template made ready to be asked for turns. */
export interface TurnTemplate {
  readonly source: string;
  readonly render: ReturnType<typeof compileChatTemplate>;
  readonly isMarked: boolean;
  /** It has a place for `reasoning_content`. */
  readonly showsReasoning: boolean;
  readonly tokenizer: Tokenizer;
  /** Tokens that may end a turn. */
  readonly endTokens: readonly string[];
  readonly options: TurnOptions;
}

/** An assistant's turn; its texts have the guard of their conversation in them. */
export interface WrittenTurn {
  readonly before: string;
  readonly answer: string;
}

/**
 * The template of a tokenizer.
 * @throws TemplateError if it has none, or one in which an assistant's turn cannot be told from what stands before it
 */
export function turnTemplate(tokenizer: Tokenizer, options: TurnOptions): TurnTemplate {
  const source = chatTemplateOf(tokenizer);
  if (source === null) {
    throw new TemplateError(
      "the tokenizer has no chat template and no tokens for turns; conversations need one of them",
    );
  }
  const marked = markGenerations(source);
  const template: TurnTemplate = {
    source,
    render: compileChatTemplate(marked ?? source),
    isMarked: marked !== null,
    showsReasoning: source.includes("reasoning_content"),
    tokenizer,
    endTokens: tokenizer.addedTokenTexts.filter((token) => token !== thinkBegin && token !== thinkEnd),
    options,
  };
  // A template that fails this would fail everywhere.
  const probe = [
    { role: "user", content: "question" },
    { role: "assistant", content: "answer" },
  ];
  try {
    const chat = new GuardedChat(template, probe, []);
    chat.turn(1);
    const { bosToken, eosToken } = tokenizer;
    const served = compileChatTemplate(source)(probe, { bosToken, eosToken, variables: options.variables });
    if (served === chat.text(2, false)) return template;
  } catch (error) {
    throw new TemplateError(error instanceof Error ? error.message : String(error));
  }
  throw new TemplateError(
    "the chat template's {% generation %} marks change the white space around them; put dashes in them, or none",
  );
}

/** A template that cannot be trained with, whatever the conversation. */
export class TemplateError extends RangeError {}

/** One conversation, guarded once, so that its parts can be compared. */
export class GuardedChat {
  /** Stands in every spelling of a control token that is not the template's own. */
  readonly guard: string;
  readonly #template: TurnTemplate;
  readonly #messages: readonly ChatMessage[];
  readonly #variables: Readonly<Record<string, unknown>>;
  readonly #begin: string;
  readonly #end: string;
  /** Messages that stand before the first one given: a description of the tools. */
  readonly #shift: number;

  constructor(template: TurnTemplate, messages: readonly ChatMessage[], tools: readonly ToolDescription[]) {
    const { source, options, tokenizer, isMarked } = template;
    const isOwn = tools.length > 0 && templateKnowsTools(source);
    const told = tools.length > 0 && !isOwn ? withTools(messages, tools, source) : messages;
    const variables = isOwn ? { ...options.variables, tools } : options.variables;
    const [guard = "", begin = "", end = ""] = unusedCharacters(JSON.stringify([told, variables]), 3);
    const safe = guardedChat(told, variables, tokenizer.addedTokenTexts, guard);
    this.#template = template;
    this.guard = guard;
    this.#begin = begin;
    this.#end = end;
    this.#messages = safe.messages;
    this.#variables = isMarked ? { ...safe.variables, ...markVariables(begin, end) } : safe.variables;
    this.#shift = told.length - messages.length;
  }

  /** The first `count` messages as text. @param opens with the opening of an assistant's turn behind them */
  text(count: number, opens: boolean): string {
    const text = this.#plain(this.#render(this.#messages.slice(0, count + this.#shift), opens));
    if (this.#template.options.earlierReasoning === "keep") this.#checkKept(count, text);
    return text;
  }

  /** The turn of the assistant's message at `index`. @throws RangeError if it cannot be told from what stands before it */
  turn(index: number): WrittenTurn {
    const message = this.#messages[index + this.#shift];
    if (message?.role !== "assistant") throw new Error(`internal: message ${index} is not an assistant's`);
    const { before, answer } = this.#template.isMarked ? this.#markedTurn(index) : this.#askedTurn(index, message);
    return { before, answer: this.#ended(this.#withThought(before, answer, message)) };
  }

  #markedTurn(index: number): WrittenTurn {
    const shown = this.#messages.slice(0, index + 1 + this.#shift);
    const text = this.#render(shown, false);
    const turns = shown.filter(({ role }) => role === "assistant").length;
    const found = text.split(this.#begin).length - 1;
    if (found !== turns)
      this.#refuse(`it marks ${found} generations for ${turns} turns of the assistant; expected one each`);
    const from = text.lastIndexOf(this.#begin);
    const to = text.indexOf(this.#end, from);
    if (to < 0) this.#refuse("its last mark of a generation is never closed");
    const after = this.#plain(text.slice(to));
    const { eosToken } = this.#template.tokenizer;
    const ending = eosToken !== null && after.startsWith(eosToken) ? eosToken : ""; // some marks stop before it
    return { before: this.#plain(text.slice(0, from)), answer: this.#plain(text.slice(from, to)) + ending };
  }

  #askedTurn(index: number, message: ChatMessage): WrittenTurn {
    const before = this.text(index, true);
    const there = behind(before, this.text(index + 1, false));
    if (there !== null) return { before, answer: there };
    const alone = [{ role: "user", content: "question" }, message];
    const answer = behind(this.#render(alone.slice(0, 1), true), this.#render(alone, false));
    if (answer !== null) return { before, answer };
    return this.#refuse(
      "an assistant's turn cannot be told from what stands before it: it has no {% generation %} marks, and a conversation with the " +
        "turn does not begin like the one that asks for it",
    );
  }

  /** The answer with its reasoning, where the template leaves that out. */
  #withThought(before: string, answer: string, message: ChatMessage): string {
    const { thought } = splitThought(message);
    if (thought !== null && /<\/think>\s*$/.test(before)) {
      this.#refuse(
        "it asks for an answer without reasoning, which a message has; set the template's variable for thinking",
      );
    }
    const opened = /<think>(\s*)$/.exec(before);
    const isShown =
      answer.includes(thinkEnd) || (this.#template.showsReasoning && thought !== null && answer.includes(thought));
    if (isShown || (thought === null && opened === null)) return answer;
    const lineBreak = opened !== null && !opened[1]?.includes("\n") ? "\n" : "";
    return lineBreak + inlineThought(thought ?? "", opened !== null) + answer.replace(/^[\r\n]+/, "");
  }

  /** Up to the token that ends the turn. */
  #ended(answer: string): string {
    const ended = answer.trimEnd();
    if (this.#template.endTokens.some((token) => ended.endsWith(token))) return ended;
    const tail = JSON.stringify(this.#unguarded(answer).slice(-20));
    return this.#refuse(`an assistant's turn ends with ${tail} and no control token; a model would not learn to stop`);
  }

  #checkKept(count: number, text: string): void {
    for (const message of this.#messages.slice(0, count + this.#shift)) {
      const { thought } = message.role === "assistant" ? splitThought(message) : { thought: null };
      if (thought === null || text.includes(thought)) continue;
      this.#refuse("it leaves out the reasoning of earlier turns, which is to be kept; strip it instead");
    }
  }

  #render(messages: readonly ChatMessage[], addGenerationPrompt: boolean): string {
    const { render, tokenizer, options, showsReasoning } = this.#template;
    return render(withReasoning(messages, options.earlierReasoning, showsReasoning), {
      bosToken: tokenizer.bosToken,
      eosToken: tokenizer.eosToken,
      addGenerationPrompt,
      variables: this.#variables,
    });
  }

  #plain(text: string): string {
    return this.#template.isMarked ? text.replaceAll(this.#begin, "").replaceAll(this.#end, "") : text;
  }

  #unguarded(text: string): string {
    return text.replaceAll(this.guard, "");
  }

  #refuse(problem: string): never {
    const start = this.#template.source.trim().replace(/\s+/g, " ").slice(0, 60);
    throw new RangeError(`the chat template that begins ${JSON.stringify(start)} cannot be trained with: ${problem}`);
  }
}

/** What stands in `whole` behind `before`, or behind it without the thought that it opens; null: it begins otherwise. */
function behind(before: string, whole: string): string | null {
  if (whole.startsWith(before)) return whole.slice(before.length);
  const opened = /(?:<think>\s*(?:<\/think>\s*)?|<\/think>\s*)$/.exec(before);
  return opened !== null && whole.startsWith(before.slice(0, opened.index)) ? whole.slice(opened.index) : null;
}
