/**
 * Messages of a conversation as chat completions have them (OpenAI, DeepSeek), checked one by one; their order is conversation.ts's matter.
 * Beside the standard fields: `reasoning_content` of an assistant, `weight` 0 or 1 and `train` true or false. Content may be a list of text
 * parts. A field that is null counts as absent.
 */
import { isObject } from "../../files/json.js";
import type { ToolCall } from "../../tokenizer/chatTemplate.js";
import { thinkBegin, thinkEnd } from "../../tokenizer/specialTokens.js";
import type { ToolDescription } from "../../tokenizer/toolPrompt.js";
import type { RecordMessage } from "./records.js";
import { type Row, show } from "./row.js";

/** Messages and, for errors, what the file calls each. */
export interface PlacedMessages {
  readonly messages: readonly RecordMessage[];
  /** [messages] such as `messages[2]`, with the role that the file gives */
  readonly places: readonly { readonly at: string; readonly role: string }[];
}

const roles: ReadonlyMap<string, RecordMessage["role"]> = new Map([
  ["system", "system"],
  ["developer", "system"],
  ["user", "user"],
  ["assistant", "assistant"],
  ["tool", "tool"],
]);

const readFields = new Set([
  "role",
  "content",
  "tool_calls",
  "tool_call_id",
  "name",
  "reasoning_content",
  "weight",
  "train",
]);

/** @throws RowError naming the message and its field */
export function readMessages(row: Row, field: string): PlacedMessages {
  const list = row.list(field);
  if (list.length === 0) row.fail(field, "expected messages, got an empty list");
  const read = list.map((value, i) => readMessage(row, `${field}[${i}]`, value));
  return { messages: read.map(({ message }) => message), places: read.map(({ place }) => place) };
}

function readMessage(
  row: Row,
  at: string,
  value: unknown,
): { readonly message: RecordMessage; readonly place: PlacedMessages["places"][number] } {
  if (!isObject(value)) row.refuse(at, "a message with role and content", value);
  const given = value.role;
  const role = typeof given === "string" ? roles.get(given) : undefined;
  if (role === undefined || typeof given !== "string") {
    row.refuse(`${at}.role`, `one of ${[...roles.keys()].join(", ")}`, given ?? undefined);
  }
  const named = (key: string): string => `${at}.${key} (${given})`;
  if (value.function_call !== undefined && value.function_call !== null) {
    row.fail(named("function_call"), "the old form of a call; expected tool_calls");
  }
  for (const [key, inner] of Object.entries(value)) {
    if (inner !== null && !readFields.has(key)) row.noteUnused(`${at.replace(/\[\d+\]/, "[]")}.${key}`);
  }
  const optional = (key: string): string | null => {
    const text = value[key] ?? null;
    return text === null || typeof text === "string" ? text : row.refuse(named(key), "a text", text);
  };
  const onlyOf = (key: string, owner: RecordMessage["role"]): void => {
    if (role !== owner && (value[key] ?? null) !== null)
      row.fail(named(key), `only a message of role ${owner} may have it`);
  };
  onlyOf("tool_calls", "assistant");
  onlyOf("reasoning_content", "assistant");
  onlyOf("tool_call_id", "tool");
  const calls = role === "assistant" ? readToolCalls(row, named("tool_calls"), value.tool_calls) : [];
  const content = readContent(row, named("content"), value.content, calls.length > 0);
  const thought = optional("reasoning_content") ?? "";
  if (role === "assistant") checkAnswer(row, named, content, thought, calls.length > 0);
  const toolCallId = optional("tool_call_id");
  const name = optional("name");
  const message: RecordMessage = {
    role,
    content,
    weight: readWeight(row, named, value, role),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
    ...(toolCallId === null ? {} : { tool_call_id: toolCallId }),
    ...(name === null ? {} : { name }),
    ...(thought === "" ? {} : { reasoning_content: thought }),
  };
  return { message, place: { at, role: given } };
}

function readContent(row: Row, field: string, value: unknown, mayBeNull: boolean): string | null {
  if (typeof value === "string") return value;
  if (value === undefined || value === null) {
    return mayBeNull ? null : row.refuse(field, "a text", value ?? undefined);
  }
  if (!Array.isArray(value)) row.refuse(field, "a text or a list of text parts", value);
  return value
    .map((part: unknown, i) => {
      if (isObject(part) && part.type === "text" && typeof part.text === "string") return part.text;
      return row.refuse(`${field}[${i}]`, 'a part of type "text"', part);
    })
    .join("");
}

/**
 * What an assistant's message must not be, whatever its format: empty, or with a thought that never ends or is there twice.
 * @param named a field of the message in the file's words
 */
export function checkAnswer(
  row: Row,
  named: (key: string) => string,
  content: string | null,
  thought: string,
  hasCalls: boolean,
): void {
  const text = content ?? "";
  if (text.trim() === "" && !hasCalls) row.fail(named("content"), "expected an answer, got an empty text");
  const begins = text.indexOf(thinkBegin);
  const ends = text.indexOf(thinkEnd);
  if (text.trimStart().startsWith(thinkBegin) && ends < begins) {
    row.fail(named("content"), `${thinkBegin} is never closed; expected ${thinkEnd} behind the reasoning`);
  }
  if (ends >= 0 && text.slice(ends + thinkEnd.length).trim() === "" && !hasCalls) {
    row.fail(named("content"), `expected an answer behind ${thinkEnd}, got nothing`);
  }
  if (thought === "") return;
  if (ends >= 0) row.fail(named("reasoning_content"), `expected the reasoning once; content has ${thinkEnd} as well`);
  if (thought.includes(thinkBegin) || thought.includes(thinkEnd)) {
    row.fail(named("reasoning_content"), `expected reasoning without ${thinkBegin} and ${thinkEnd}`);
  }
}

/** @param value list of calls, or nothing; `arguments` may be JSON text or an object */
export function readToolCalls(row: Row, field: string, value: unknown): ToolCall[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) row.refuse(field, "a list of calls", value);
  return value.map((call: unknown, i): ToolCall => {
    const at = `${field}[${i}]`;
    if (!isObject(call)) row.refuse(at, "a call with function.name and function.arguments", call);
    const made = isObject(call.function) ? call.function : row.refuse(`${at}.function`, "an object", call.function);
    const type = call.type ?? "function";
    if (typeof type !== "string") row.refuse(`${at}.type`, "a text", type);
    const id = call.id ?? null;
    if (id !== null && typeof id !== "string") row.refuse(`${at}.id`, "a text", id);
    return { ...(id === null ? {} : { id }), type, function: readCall(row, `${at}.function`, made) };
  });
}

/** Name and arguments of a call. */
export function readCall(row: Row, at: string, call: Readonly<Record<string, unknown>>): ToolCall["function"] {
  const { name, arguments: given } = call;
  if (typeof name !== "string" || name === "") row.refuse(`${at}.name`, "the name of a function", name);
  if (isObject(given)) return { name, arguments: JSON.stringify(given) };
  if (typeof given !== "string") row.refuse(`${at}.arguments`, "JSON text or an object", given);
  try {
    JSON.parse(given);
  } catch (error) {
    row.fail(
      `${at}.arguments`,
      `expected JSON text, got ${show(given)} (${error instanceof Error ? error.message : ""})`,
    );
  }
  return { name, arguments: given };
}

/** 1 for what an assistant wrote, unless `weight` or `train` say otherwise. */
export function readWeight(
  row: Row,
  named: (key: string) => string,
  value: Readonly<Record<string, unknown>>,
  role: RecordMessage["role"],
): 0 | 1 {
  const weight = value.weight ?? null;
  const train = value.train ?? null;
  if (weight !== null && weight !== 0 && weight !== 1) row.refuse(named("weight"), "0 or 1", weight);
  if (train !== null && typeof train !== "boolean") row.refuse(named("train"), "true or false", train);
  if (weight !== null && train !== null && (weight === 1) !== train) {
    row.fail(named("train"), `contradicts weight ${weight}`);
  }
  const isLearned = train ?? (weight === null ? null : weight === 1);
  if (role !== "assistant") {
    if (isLearned)
      row.fail(named(train === null ? "weight" : "train"), "only an assistant's messages are learned from");
    return 0;
  }
  return isLearned === false ? 0 : 1;
}

/** Tools as a list or as JSON text of one, each wrapped as {type: "function", function} or bare. */
export function readTools(row: Row, field: string): ToolDescription[] {
  if (!row.has(field)) return [];
  let value = row.value(field);
  if (typeof value === "string") {
    if (value.trim() === "") return [];
    try {
      value = JSON.parse(value);
    } catch (error) {
      row.fail(
        field,
        `expected JSON text of a list, got ${show(value)} (${error instanceof Error ? error.message : ""})`,
      );
    }
  }
  if (!Array.isArray(value)) row.refuse(field, "a list of tools", value);
  return value.map((tool: unknown, i): ToolDescription => {
    const at = `${field}[${i}]`;
    if (!isObject(tool)) row.refuse(at, "a tool with a name", tool);
    const described = isObject(tool.function) ? tool.function : tool;
    const { name, description = null, parameters = null } = described;
    if (typeof name !== "string" || name === "") row.refuse(`${at}.name`, "the name of a function", name);
    if (description !== null && typeof description !== "string") row.refuse(`${at}.description`, "a text", description);
    if (parameters !== null && !isObject(parameters)) row.refuse(`${at}.parameters`, "a JSON schema", parameters);
    return { type: "function", function: { name, description, parameters } };
  });
}
