/**
 * The control tokens of DeepSeek-V3 and their place in a vocabulary trained here. The bar is U+FF5C (fullwidth vertical
 * line), the blank U+2581 (lower one eighth block); only EOT and the think tags are plain ASCII. Never rely on an id:
 * ids are read from tokenizer.json.
 */

export const beginOfSentence = named("begin of sentence");
export const endOfSentence = named("end of sentence");
export const padding = named(" pad ");

/** Prefix-suffix-middle order: begin, prefix, hole, suffix, end, then the middle and the end of sentence. */
export const fimHole = named("fim hole");
export const fimBegin = named("fim begin");
export const fimEnd = named("fim end");

export const userTurn = named("User");
export const assistantTurn = named("Assistant");
export const thinkBegin = "<think>";
export const thinkEnd = "</think>";

export const toolCallsBegin = named("tool calls begin");
export const toolCallsEnd = named("tool calls end");
export const toolCallBegin = named("tool call begin");
export const toolCallEnd = named("tool call end");
export const toolSeparator = named("tool sep");

export interface SpecialToken {
  readonly content: string;
  /** Left out by `skipSpecialTokens`. Turns, think tags and tool tokens are not, as in the published files. */
  readonly special: boolean;
}

/** Ids 0, 1, 2 of a new vocabulary. */
export const leadingTokens: readonly SpecialToken[] = [beginOfSentence, endOfSentence, padding].map(control);

/** The last ids of a new vocabulary, in the order of the published file (think tags stand in its former placeholders). */
export const trailingTokens: readonly SpecialToken[] = [
  { content: thinkBegin, special: false },
  { content: thinkEnd, special: false },
  control(fimHole),
  control(fimBegin),
  control(fimEnd),
  { content: userTurn, special: false },
  { content: assistantTurn, special: false },
  control("<|EOT|>"),
  ...[
    toolCallsBegin,
    toolCallsEnd,
    toolCallBegin,
    toolCallEnd,
    ...["tool outputs begin", "tool outputs end", "tool output begin", "tool output end"].map(named),
    toolSeparator,
  ].map((content) => ({ content, special: false })),
];

/** Tokens of a new vocabulary that are not merges: control tokens and the 256 bytes. */
export const numFixedTokens = leadingTokens.length + 256 + trailingTokens.length;

function named(words: string): string {
  return `<\uff5c${words.replaceAll(" ", "\u2581")}\uff5c>`;
}

function control(content: string): SpecialToken {
  return { content, special: true };
}
