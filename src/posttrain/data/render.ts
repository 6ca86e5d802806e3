/**
 * Records to token ids and a mask of what is learned from. The mask is made while the text is rendered, from where the template puts an
 * assistant's turns; each stretch is tokenized by itself, so a border of the mask is a border of tokens. Learned are an assistant's words,
 * reasoning and calls, and the token that ends its turn; its header, users, tools and system are context. post-training.md 3.3, 3.4.
 *
 * The rule behind `turns: "apart"`: a turn is learned where it stands if what stands before it is what inference would show. Otherwise (its
 * reasoning is stripped there, or the template writes history in another way) it is learned in a sequence of its own that ends with it.
 */

import { type ChatPrompt, endsInThought } from "../../tokenizer/chatTemplate.js";
import { joinIds, startIds } from "../../tokenizer/promptIds.js";
import type { Tokenizer } from "../../tokenizer/tokenizer.js";
import type { LossMode } from "./choices.js";
import type {
  ChatRecord,
  DataRecord,
  Passage,
  PreferenceRecord,
  PromptRecord,
  RecordMessage,
  StepwiseRecord,
  UnpairedRecord,
} from "./records.js";
import { RowError } from "./row.js";
import {
  GuardedChat,
  TemplateError,
  type TurnOptions,
  type TurnTemplate,
  turnTemplate,
  type WrittenTurn,
} from "./turns.js";

export interface RenderOptions extends TurnOptions {
  /** Null: the completion where the data draws that line, else the assistant's turns; all of a text. */
  readonly mode: LossMode | null;
  /** Turns that cannot be learned where they stand: in sequences of their own, or (counted) not at all. */
  readonly turns: "apart" | "together";
}

export const defaultRenderOptions: RenderOptions = {
  mode: null,
  turns: "apart",
  earlierReasoning: "strip",
  variables: {},
};

export interface MaskedIds {
  readonly ids: Int32Array;
  /** [ids] 1: token i is a target. The first token never is: nothing comes before it. */
  readonly isTarget: Uint8Array;
}

export interface RenderedChat {
  readonly sequences: readonly MaskedIds[];
  /** Turns that the mode wants and no sequence has as targets. */
  readonly skippedTurns: number;
  /** Texts of the record spell control tokens (and stay text). */
  readonly spellsTokens: boolean;
}

export interface RenderedAnswer extends MaskedIds {
  /** The same for all answers to a prompt. */
  readonly promptLength: number;
}

export interface RenderedSteps {
  readonly ids: Int32Array;
  /** [steps] the last token of each, a line end */
  readonly stepEnds: Int32Array;
  readonly areRight: readonly boolean[];
}

/** Renders records with one tokenizer and its template, which is looked at when the first conversation comes. */
export class ChatRenderer {
  readonly #tokenizer: Tokenizer;
  readonly #options: RenderOptions;
  #template: TurnTemplate | null = null;

  constructor(tokenizer: Tokenizer, options: Partial<RenderOptions> = {}) {
    this.#tokenizer = tokenizer;
    this.#options = { ...defaultRenderOptions, ...options };
  }

  /** @throws RowError naming the record, if template or mode do not suit it; TemplateError for a template that suits none */
  chat(record: ChatRecord): RenderedChat {
    return this.#explained(record, () => {
      const { prompt, completion, tools } = record;
      if (completion.form === "text") return this.#plainChat(prompt, completion.text);
      const before = prompt?.form === "messages" ? prompt.messages : [];
      const messages = [...before, ...completion.messages];
      const mode = this.#options.mode ?? (prompt === null ? "assistant_only" : "completion_only");
      if (mode === "completion_only" && prompt === null) {
        throw new RangeError("completion_only: the record draws no line between prompt and completion");
      }
      if (mode === "all" && messages.some(({ role, weight }) => role === "assistant" && weight === 0)) {
        throw new RangeError("all: a message has weight 0; weights need a mode that learns turns");
      }
      const wanted = mode === "all" ? [] : wantedTurns(messages, mode, before.length);
      if (mode !== "all" && wanted.length === 0) return { sequences: [], skippedTurns: 0, spellsTokens: false };
      const whole = this.#conversation(messages, tools, wanted, mode === "all");
      const isUsed = mode === "all" || whole.apart.length < wanted.length || this.#options.turns === "together";
      const sequences = isUsed ? [whole.sequence] : [];
      if (this.#options.turns === "together") {
        return { sequences, skippedTurns: whole.apart.length, spellsTokens: whole.spellsTokens };
      }
      for (const turn of whole.apart) {
        sequences.push(this.#conversation(messages.slice(0, turn + 1), tools, [turn], false).sequence);
      }
      return { sequences, skippedTurns: 0, spellsTokens: whole.spellsTokens };
    });
  }

  /** Both answers of a pair, each behind the prompt. @throws RowError naming the record */
  pair(record: PreferenceRecord): { readonly chosen: RenderedAnswer; readonly rejected: RenderedAnswer } {
    return this.#explained(record, () => ({
      chosen: this.#answer(record, record.chosen),
      rejected: this.#answer(record, record.rejected),
    }));
  }

  /** @throws RowError naming the record */
  unpaired(record: UnpairedRecord): RenderedAnswer {
    return this.#explained(record, () => this.#answer(record, record.completion));
  }

  /** What the model is shown before it writes. @throws RowError naming the record */
  prompt(record: PromptRecord): ChatPrompt {
    return this.#explained(record, () => this.#prompt(record));
  }

  /** Prompt and steps, each step with a line end behind it, at which it is judged. @throws RowError naming the record */
  stepwise(record: StepwiseRecord): RenderedSteps {
    return this.#explained(record, () => {
      const parts = [this.#prompt(record).ids];
      let length = parts[0]?.length ?? 0;
      const stepEnds = record.steps.map((step) => {
        const ids = joinIds([this.#tokenizer.encode(step), this.#tokenizer.encode("\n")]);
        parts.push(ids);
        length += ids.length;
        return length - 1;
      });
      return { ids: joinIds(parts), stepEnds: Int32Array.from(stepEnds), areRight: record.areRight };
    });
  }

  #plainChat(prompt: Passage | null, completion: string): RenderedChat {
    const mode = this.#options.mode ?? (prompt === null ? "all" : "completion_only");
    if (mode === "assistant_only" || mode === "last_assistant_only") {
      throw new RangeError(`${mode}: the record is plain text without turns`);
    }
    if (mode === "completion_only" && prompt === null) {
      throw new RangeError("completion_only: the record draws no line between prompt and completion");
    }
    const before = prompt?.form === "text" ? prompt.text : "";
    const { promptLength, ...sequence } = this.#plainAnswer(before, completion);
    if (mode === "all") sequence.isTarget.fill(1, 1, promptLength);
    const spellsTokens = this.#tokenizer.addedTokenTexts.some((token) => (before + completion).includes(token));
    return { sequences: [sequence], skippedTurns: 0, spellsTokens };
  }

  #prompt({ prompt, tools }: Pick<PromptRecord, "prompt" | "tools">): ChatPrompt {
    if (prompt.form === "text") {
      return { ids: joinIds([startIds(this.#tokenizer), this.#tokenizer.encode(prompt.text)]), isThinking: false };
    }
    const chat = new GuardedChat(this.#turnTemplate(), prompt.messages.map(shown), tools);
    const text = chat.text(prompt.messages.length, true);
    return { ids: this.#encode(text, chat.guard), isThinking: endsInThought(text) };
  }

  #answer({ prompt, tools }: Pick<PreferenceRecord, "prompt" | "tools">, answer: Passage): RenderedAnswer {
    if (prompt.form === "text" && answer.form === "text") return this.#plainAnswer(prompt.text, answer.text);
    if (prompt.form === "text" || answer.form === "text") throw new Error("internal: prompt and answer differ in form");
    const messages = [...prompt.messages, ...answer.messages];
    const wanted = wantedTurns(messages, "completion_only", prompt.messages.length);
    const { sequence, apart, firstTarget } = this.#conversation(messages, tools, wanted, false);
    if (apart.length > 0 || wanted[0] !== prompt.messages.length) {
      throw new RangeError(
        "an answer of several turns, not all of which can be learned where they stand; expected one turn",
      );
    }
    return { ...sequence, promptLength: firstTarget };
  }

  /** A prompt and its answer as text. They are tokenized apart: at inference the prompt comes alone. */
  #plainAnswer(prompt: string, answer: string): RenderedAnswer {
    const { eosTokenId } = this.#tokenizer;
    if (eosTokenId === null) throw new RangeError("the tokenizer has no end token; a model would not learn to stop");
    const before = joinIds([startIds(this.#tokenizer), this.#tokenizer.encode(prompt)]);
    const ids = joinIds([before, this.#tokenizer.encode(answer), [eosTokenId]]);
    const isTarget = new Uint8Array(ids.length).fill(1, Math.max(1, before.length));
    return { ids, isTarget, promptLength: before.length };
  }

  /**
   * A conversation with some of its turns as targets.
   * @param wanted assistant's messages, ascending
   * @returns apart: those of them that cannot be learned in it; firstTarget: where the first of the others begins
   */
  #conversation(
    messages: readonly RecordMessage[],
    tools: ChatRecord["tools"],
    wanted: readonly number[],
    isAll: boolean,
  ): { sequence: MaskedIds; apart: number[]; firstTarget: number; spellsTokens: boolean } {
    const chat = new GuardedChat(this.#turnTemplate(), messages.map(shown), tools);
    const turns = wanted.map((index): [number, WrittenTurn] => [index, chat.turn(index)]);
    const last = messages.length - 1;
    const ending = turns.find(([index]) => index === last)?.[1];
    const text = ending
      ? ending.before + ending.answer
      : messages[last]?.role === "assistant"
        ? joinTurn(chat.turn(last))
        : chat.text(messages.length, false);
    const apart: number[] = [];
    const parts: Int32Array[] = [];
    const targets: boolean[] = [];
    let done = 0;
    const take = (to: number, isTarget: boolean): void => {
      parts.push(this.#encode(text.slice(done, to), chat.guard));
      targets.push(isTarget);
      done = to;
    };
    for (const [index, turn] of turns) {
      if (turn.before.length < done || !text.startsWith(joinTurn(turn))) apart.push(index);
      else {
        take(turn.before.length, isAll);
        take(turn.before.length + turn.answer.length, true);
      }
    }
    take(text.length, isAll);
    const ids = joinIds(parts);
    const isTarget = new Uint8Array(ids.length);
    let at = 0;
    let firstTarget = ids.length;
    parts.forEach((part, i) => {
      if (targets[i]) {
        firstTarget = Math.min(firstTarget, at);
        isTarget.fill(1, Math.max(1, at), at + part.length);
      }
      at += part.length;
    });
    return { sequence: { ids, isTarget }, apart, firstTarget, spellsTokens: text.includes(chat.guard) };
  }

  #encode(text: string, guard: string): Int32Array {
    return this.#tokenizer.encode(text, { allowSpecial: true, guard });
  }

  #turnTemplate(): TurnTemplate {
    this.#template ??= turnTemplate(this.#tokenizer, this.#options);
    return this.#template;
  }

  #explained<T>({ path, row }: DataRecord, render: () => T): T {
    try {
      return render();
    } catch (error) {
      if (error instanceof RangeError && !(error instanceof TemplateError))
        throw new RowError(path, row, null, error.message);
      throw error;
    }
  }
}

function wantedTurns(messages: readonly RecordMessage[], mode: LossMode, completionFrom: number): number[] {
  const turns = messages.flatMap(({ role }, i) => (role === "assistant" ? [i] : []));
  const inMode =
    mode === "completion_only"
      ? turns.filter((i) => i >= completionFrom)
      : mode === "last_assistant_only"
        ? turns.slice(-1)
        : turns;
  return inMode.filter((i) => messages[i]?.weight === 1);
}

/** A message without what is not for the template. */
function shown({ weight: _, ...message }: RecordMessage): Omit<RecordMessage, "weight"> {
  return message;
}

function joinTurn({ before, answer }: WrittenTurn): string {
  return before + answer;
}
