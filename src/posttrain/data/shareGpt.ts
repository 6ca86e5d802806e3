/**
 * ShareGPT: turns as {from, value}, with calls as JSON text in turns of their own. The names of fields and speakers can be set, as LLaMA-Factory's
 * data sets do. With `chosen` and `rejected` it is a preference, with `kto_tag` a verdict on the last answer. post-training.md 3.2.
 */
import { isObject } from "../../files/json.js";
import type { ToolCall } from "../../tokenizer/chatTemplate.js";
import { checkOrder } from "./conversation.js";
import { checkAnswer, type PlacedMessages, readCall, readTools, readWeight } from "./messages.js";
import type { ChatRecord, PreferenceRecord, RecordMessage, UnpairedRecord } from "./records.js";
import { type Row, show } from "./row.js";
import { type FormatOptions, messagesOf, recordBase } from "./trl.js";

type Speaker = "user" | "assistant" | "observation" | "function" | "system";

export interface ShareGptTags {
  /** Field with the speaker. */
  readonly role: string;
  /** Field with the text. */
  readonly content: string;
  readonly speakers: Readonly<Record<string, Speaker>>;
}

export const defaultTags: ShareGptTags = {
  role: "from",
  content: "value",
  speakers: {
    human: "user",
    user: "user",
    gpt: "assistant",
    assistant: "assistant",
    observation: "observation",
    tool: "observation",
    function_call: "function",
    system: "system",
  },
};

export function readShareGpt(
  row: Row,
  options: FormatOptions,
  tags: ShareGptTags = defaultTags,
): ChatRecord | PreferenceRecord | UnpairedRecord {
  const turns = readTurns(row, tags);
  const system = row.optionalText("system") ?? "";
  const given = system === "" ? turns : withSystem(row, turns, system);
  if (row.has("chosen") || row.has("rejected")) return preference(row, given, options, tags);
  checkOrder(row, given, options.allow, "conversation");
  if (row.has("kto_tag")) return verdict(row, given);
  const completion = messagesOf(given.messages);
  return { kind: "chat", prompt: null, completion, ...recordBase(row, null, completion, readTools(row, "tools")) };
}

function preference(row: Row, given: PlacedMessages, options: FormatOptions, tags: ShareGptTags): PreferenceRecord {
  checkOrder(row, given, options.allow, "prompt");
  const [chosen, rejected] = (["chosen", "rejected"] as const).map((field) => {
    const answer = readTurn(row, field, row.value(field), tags);
    checkOrder(
      row,
      { messages: [answer.message], places: [answer.place] },
      options.allow,
      "completion",
      given.messages,
    );
    return messagesOf([answer.message]);
  });
  if (!chosen || !rejected) throw new Error("internal: two fields gave fewer answers");
  if (JSON.stringify(chosen) === JSON.stringify(rejected)) row.fail("rejected", "expected another answer than chosen");
  const prompt = messagesOf(given.messages);
  const base = recordBase(row, prompt, chosen, readTools(row, "tools"));
  return { kind: "preference", prompt, chosen, rejected, ...base };
}

function verdict(row: Row, { messages, places }: PlacedMessages): UnpairedRecord {
  if (messages.at(-1)?.role !== "assistant")
    row.fail(places.at(-1)?.at ?? null, "expected the answer that kto_tag judges");
  const isDesirable = row.flag("kto_tag");
  const prompt = messagesOf(messages.slice(0, -1));
  const completion = messagesOf(messages.slice(-1));
  const base = recordBase(row, prompt, completion, readTools(row, "tools"));
  return { kind: "unpaired", prompt, completion, isDesirable, ...base };
}

function readTurns(row: Row, tags: ShareGptTags): PlacedMessages {
  const list = row.list("conversations");
  if (list.length === 0) row.fail("conversations", "expected turns, got an empty list");
  const read = list.map((value, i) => readTurn(row, `conversations[${i}]`, value, tags));
  return { messages: read.map(({ message }) => message), places: read.map(({ place }) => place) };
}

function withSystem(row: Row, { messages, places }: PlacedMessages, content: string): PlacedMessages {
  if (messages[0]?.role === "system")
    row.fail("system", "expected one system text; the conversation begins with another");
  return {
    messages: [{ role: "system", content, weight: 0 }, ...messages],
    places: [{ at: "system", role: "system" }, ...places],
  };
}

function readTurn(
  row: Row,
  at: string,
  value: unknown,
  { role: roleField, content: textField, speakers }: ShareGptTags,
): { readonly message: RecordMessage; readonly place: PlacedMessages["places"][number] } {
  if (!isObject(value)) row.refuse(at, `a turn with ${roleField} and ${textField}`, value);
  const from = value[roleField];
  const speaker = typeof from === "string" && Object.hasOwn(speakers, from) ? speakers[from] : undefined;
  if (typeof from !== "string" || speaker === undefined) {
    row.refuse(`${at}.${roleField}`, `one of ${Object.keys(speakers).join(", ")}`, from ?? undefined);
  }
  const named = (key: string): string => `${at}.${key === "content" ? textField : key} (${from})`;
  const text = value[textField];
  if (typeof text !== "string") row.refuse(named("content"), "a text", text);
  for (const [key, inner] of Object.entries(value)) {
    if (inner !== null && ![roleField, textField, "weight", "train"].includes(key)) {
      row.noteUnused(`${at.replace(/\[\d+\]/, "[]")}.${key}`);
    }
  }
  const place = { at, role: from };
  switch (speaker) {
    case "user":
    case "system":
    case "observation": {
      const role = speaker === "observation" ? "tool" : speaker;
      return { message: { role, content: text, weight: readWeight(row, named, value, role) }, place };
    }
    case "assistant":
      checkAnswer(row, named, text, "", false);
      return {
        message: { role: "assistant", content: text, weight: readWeight(row, named, value, "assistant") },
        place,
      };
    case "function": {
      const calls = readCalls(row, named("content"), text);
      const weight = readWeight(row, named, value, "assistant");
      return { message: { role: "assistant", content: null, tool_calls: calls, weight }, place };
    }
    default:
      return speaker satisfies never;
  }
}

/** {"name", "arguments"} or a list of such. */
function readCalls(row: Row, field: string, text: string): ToolCall[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    row.fail(field, `expected JSON text of a call, got ${show(text)} (${error instanceof Error ? error.message : ""})`);
  }
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0) row.fail(field, "expected a call, got an empty list");
  return list.map((call, i) => {
    const at = Array.isArray(value) ? `${field}[${i}]` : field;
    if (!isObject(call)) row.refuse(at, "a call with name and arguments", call);
    return { type: "function", function: readCall(row, at, call) };
  });
}
