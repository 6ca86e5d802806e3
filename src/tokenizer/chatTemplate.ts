/**
 * Chat messages to text or ids, by the Jinja template that comes with a tokenizer (tokenizer_config.json or
 * chat_template.jinja). New vocabularies get DeepSeek-V3's. Its quirks are kept to the byte: the first-call and
 * first-output flags are never reset within a conversation, and nothing stands between system text and first turn.
 * What users wrote stays text: `encodeChat` lets only the template itself make control tokens.
 */
import { Template } from "@huggingface/jinja";
import { assistantTurn, thinkBegin, thinkEnd, userTurn } from "./specialTokens.js";
import type { Tokenizer } from "./tokenizer.js";

export interface ToolCall {
  readonly id?: string;
  readonly type: string;
  /** `arguments` is JSON text, as the model writes it. */
  readonly function: { readonly name: string; readonly arguments: string };
}

/** A message as templates see it; names are those of the chat-completions format. */
export interface ChatMessage {
  readonly role: string;
  /** Null only for an assistant that calls tools. */
  readonly content: string | null;
  readonly tool_calls?: readonly ToolCall[];
  readonly tool_call_id?: string;
  readonly name?: string;
  readonly reasoning_content?: string;
}

export interface ChatOptions {
  readonly bosToken?: string | null;
  readonly eosToken?: string | null;
  /** End with the opening of the assistant's turn. Default false. */
  readonly addGenerationPrompt?: boolean;
  /** Further variables of the template (`tools`, `thinking`, ...). */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/** DeepSeek-V3's template, in its form of 2025 (all system messages joined; tool calls closed after any number). */
export const deepSeekChatTemplate = `
{%- if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}
{%- set ns = namespace(is_first=false, is_tool=false, is_output_first=true, system_prompt='', is_first_sp=true) %}
{%- for message in messages %}
  {%- if message['role'] == 'system' %}
    {%- if ns.is_first_sp %}
      {%- set ns.system_prompt = ns.system_prompt + message['content'] %}
      {%- set ns.is_first_sp = false %}
    {%- else %}
      {%- set ns.system_prompt = ns.system_prompt + '\\n\\n' + message['content'] %}
    {%- endif %}
  {%- endif %}
{%- endfor %}
{{- bos_token }}{{ ns.system_prompt }}
{%- for message in messages %}
  {%- if message['role'] == 'user' %}
    {%- set ns.is_tool = false %}
    {{- '<｜User｜>' + message['content'] }}
  {%- endif %}
  {%- if message['role'] == 'assistant' and 'tool_calls' in message %}
    {%- set ns.is_tool = false %}
    {%- for tool in message['tool_calls'] %}
      {%- set call = '<｜tool▁call▁begin｜>' + tool['type'] + '<｜tool▁sep｜>' + tool['function']['name'] + '\\n' + '\`\`\`json' + '\\n' + tool['function']['arguments'] + '\\n' + '\`\`\`' + '<｜tool▁call▁end｜>' %}
      {%- if not ns.is_first %}
        {{- '<｜Assistant｜>' }}
        {%- if message['content'] is not none %}{{- message['content'] }}{% endif %}
        {{- '<｜tool▁calls▁begin｜>' + call }}
        {%- set ns.is_first = true %}
      {%- else %}
        {{- '\\n' + call }}
      {%- endif %}
    {%- endfor %}
    {{- '<｜tool▁calls▁end｜><｜end▁of▁sentence｜>' }}
  {%- endif %}
  {%- if message['role'] == 'assistant' and 'tool_calls' not in message %}
    {%- if ns.is_tool %}
      {{- '<｜tool▁outputs▁end｜>' + message['content'] + '<｜end▁of▁sentence｜>' }}
      {%- set ns.is_tool = false %}
    {%- else %}
      {{- '<｜Assistant｜>' + message['content'] + '<｜end▁of▁sentence｜>' }}
    {%- endif %}
  {%- endif %}
  {%- if message['role'] == 'tool' %}
    {%- set ns.is_tool = true %}
    {%- if ns.is_output_first %}
      {{- '<｜tool▁outputs▁begin｜>' }}
      {%- set ns.is_output_first = false %}
    {%- endif %}
    {{- '<｜tool▁output▁begin｜>' + message['content'] + '<｜tool▁output▁end｜>' }}
  {%- endif %}
{%- endfor %}
{%- if ns.is_tool %}{{- '<｜tool▁outputs▁end｜>' }}{% endif %}
{%- if add_generation_prompt and not ns.is_tool %}{{- '<｜Assistant｜>' }}{% endif %}`;

/** Reading one takes longer than rendering a short conversation, and most programs have one. */
let lastRead: { readonly source: string; readonly template: Template } | null = null;

/**
 * A template ready to render many conversations. Templates may use `raise_exception` and `strftime_now`.
 * @throws RangeError when the source is no valid template; when rendering, for messages it refuses
 */
export function compileChatTemplate(
  source: string,
): (messages: readonly ChatMessage[], options?: ChatOptions) => string {
  const template =
    lastRead?.source === source ? lastRead.template : explained("cannot be read", () => new Template(source));
  lastRead = { source, template };
  return (messages, options = {}) => {
    checkMessages(messages);
    const variables = {
      ...options.variables,
      messages: messages.map(defined),
      bos_token: options.bosToken ?? "",
      eos_token: options.eosToken ?? "",
      add_generation_prompt: options.addGenerationPrompt ?? false,
    };
    return explained("refuses these messages", () => template.render(variables));
  };
}

/** Renders one conversation; see `compileChatTemplate`. */
export function renderChat(source: string, messages: readonly ChatMessage[], options: ChatOptions = {}): string {
  return compileChatTemplate(source)(messages, options);
}

/** The beginning of an answer that the model is to go on from. */
export interface AnswerStart {
  readonly content: string;
  /** Thoughts before it; null = none. */
  readonly reasoning: string | null;
}

/** A conversation as text in which no control token comes from a message: each spelling there has `guard` inside. */
export interface GuardedText {
  readonly text: string;
  readonly guard: string;
}

/** The template of a tokenizer: its own, or DeepSeek-V3's where the vocabulary has that one's turns; null: it knows of no chats. */
export function chatTemplateOf(tokenizer: Tokenizer): string | null {
  const hasTurns = [userTurn, assistantTurn].every((turn) => tokenizer.tokenToId(turn) !== null);
  return tokenizer.chatTemplate ?? (hasTurns ? deepSeekChatTemplate : null);
}

/** A conversation as the model reads it. */
export interface ChatPrompt {
  readonly ids: Int32Array;
  /** It ends within an opened `<think>`: what follows is a thought. */
  readonly isThinking: boolean;
}

/** Whether what follows a rendered conversation is a thought. */
export function endsInThought(text: string): boolean {
  return text.trimEnd().endsWith(thinkBegin);
}

/**
 * Ids of a conversation up to where the assistant's answer begins, or goes on. Spellings of added tokens in messages stay text, but for the
 * think tags of assistant messages, which the model itself wrote. (A one-character added token cannot be told from text.) The template runs
 * in the caller's thread, as long as it takes.
 * @throws RangeError when the tokenizer has no template, or as `renderChat`
 */
export function chatPrompt(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  options: Omit<ChatOptions, "bosToken" | "eosToken"> = {},
  answer: AnswerStart | null = null,
): ChatPrompt {
  const template = chatTemplateOf(tokenizer);
  if (template === null) {
    throw new RangeError(
      "messages: the tokenizer has no chat template and no tokens for turns; generate from text instead",
    );
  }
  const { bosToken, eosToken, addedTokenTexts } = tokenizer;
  const given = { addGenerationPrompt: true, ...options, bosToken, eosToken };
  const { text, guard } = renderGuarded(compileChatTemplate(template), addedTokenTexts, messages, given, answer);
  return { ids: tokenizer.encode(text, { allowSpecial: true, guard }), isThinking: endsInThought(text) };
}

/** Ids of a whole conversation, which nothing is to follow unless the options say so; else as `chatPrompt`. */
export function encodeChat(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  options: Omit<ChatOptions, "bosToken" | "eosToken"> = {},
): Int32Array {
  return chatPrompt(tokenizer, messages, { addGenerationPrompt: false, ...options }).ids;
}

/**
 * Renders messages, and the variables of `options`, with a guard in what they spell: `Tokenizer.encode` turns the text into the ids that
 * `encodeChat` gives when it is told the guard and to allow special tokens.
 * @param render of `compileChatTemplate`
 * @param addedTokens spellings of all added tokens
 * @param answer stands after the rendered text, outside an opened thought
 * @throws RangeError as `renderChat`
 */
export function renderGuarded(
  render: ReturnType<typeof compileChatTemplate>,
  addedTokens: readonly string[],
  messages: readonly ChatMessage[],
  options: ChatOptions,
  answer: AnswerStart | null = null,
): GuardedText {
  checkMessages(messages);
  const [guard = ""] = unusedCharacters(JSON.stringify([messages, options.variables ?? {}, answer]), 1);
  const safe = guardedChat(messages, options.variables ?? {}, addedTokens, guard);
  const text = render(safe.messages, { ...options, variables: safe.variables });
  return { text: text + (answer ? answerText(answer, text, addedTokens, guard) : ""), guard };
}

/**
 * Messages and template variables with the guard inside every spelling of a control token, but for the think tags of assistant messages: for
 * whoever renders parts of one conversation, which must all have the same guard.
 * @param guard of `unusedCharacters`
 */
export function guardedChat(
  messages: readonly ChatMessage[],
  variables: Readonly<Record<string, unknown>>,
  addedTokens: readonly string[],
  guard: string,
): { readonly messages: readonly ChatMessage[]; readonly variables: Readonly<Record<string, unknown>> } {
  return {
    messages: messages.map((message) => guardMessage(message, addedTokens, guard)),
    variables: guarded(variables, addedTokens, guard),
  };
}

function answerText(
  { content, reasoning }: AnswerStart,
  before: string,
  tokens: readonly string[],
  guard: string,
): string {
  const isOpen = /<think>\s*$/.test(before);
  const thought =
    reasoning === null ? (isOpen ? `\n${thinkEnd}` : "") : `${isOpen ? "" : thinkBegin}${reasoning}${thinkEnd}`;
  return guardMessage({ role: "assistant", content: thought + content }, tokens, guard).content ?? "";
}

/** Puts the guard inside every spelling of a control token, so that it is none. */
function guardMessage(message: ChatMessage, tokens: readonly string[], guard: string): ChatMessage {
  const isOwn = (token: string): boolean => token === thinkBegin || token === thinkEnd;
  const role = message.role;
  return { ...guarded(message, role === "assistant" ? tokens.filter((token) => !isOwn(token)) : tokens, guard), role };
}

/** A value with the guard in all its texts that spell one of the tokens, names of keys included. */
function guarded<T>(value: T, tokens: readonly string[], guard: string): T {
  if (tokens.length === 0) return value;
  const spellings = tokens.map((token) => token.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")).join("|");
  const start = new RegExp(`(?=${spellings})[^]`, "gu");
  const safe = (text: string): string => text.replace(start, (first) => first + guard);
  const walk = (part: unknown): unknown => {
    if (typeof part === "string") return safe(part);
    if (Array.isArray(part)) return part.map(walk);
    if (typeof part !== "object" || part === null) return part;
    return Object.fromEntries(Object.entries(part).map(([name, inner]) => [safe(name), walk(inner)]));
  };
  return walk(value) as T; // the same shape, with other texts
}

/** Noncharacters that a text does not use; Unicode keeps these for such inner marks. @throws RangeError if it uses too many */
export function unusedCharacters(text: string, count: number): string[] {
  const found: string[] = [];
  for (let codePoint = 0xfdd0; codePoint <= 0xfdef && found.length < count; codePoint++) {
    const character = String.fromCodePoint(codePoint);
    if (!text.includes(character)) found.push(character);
  }
  if (found.length === count) return found;
  throw new RangeError(
    `messages use too many of the noncharacters from U+FDD0 to U+FDEF: ${found.length} are free, ${count} needed`,
  );
}

function checkMessages(messages: readonly ChatMessage[]): void {
  messages.forEach((message, index) => {
    const at = `messages[${index}]`;
    if (typeof message.role !== "string" || message.role === "") {
      throw new RangeError(`${at}.role: expected a text, got ${JSON.stringify(message.role) ?? "nothing"}`);
    }
    const mayBeNull = message.tool_calls !== undefined;
    if (typeof message.content !== "string" && !(message.content === null && mayBeNull)) {
      const got = JSON.stringify(message.content) ?? "nothing";
      throw new RangeError(`${at}.content: expected a text${mayBeNull ? " or null" : ""}, got ${got}`);
    }
  });
}

/** Without the keys whose value is undefined, which a template would count as present. */
function defined(message: ChatMessage): Record<string, unknown> {
  return Object.fromEntries(Object.entries(message).filter(([, value]) => value !== undefined));
}

function explained<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw new RangeError(`chat template ${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
