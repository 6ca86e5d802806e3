/** Conversations as files: `{ model, messages, settings }`, the messages in the form of chat completions. */
import { writeFileAtomic } from "../files/atomic.js";
import { isObject, readJson } from "../files/json.js";
import type { ChatMessage } from "../tokenizer/chatTemplate.js";
import type { ChatSession, Conversation } from "./chatSession.js";
import { type ChatSettings, readSettings } from "./chatSettings.js";

export interface SavedChat extends Conversation {
  /** Those that the file has. */
  readonly settings: Partial<ChatSettings>;
}

/** The session's conversation as the file has it. */
export function chatRecord({ model, system, turns, settings }: ChatSession): object {
  const first = system === null ? [] : [{ role: "system", content: system }];
  return { model: model.info.directory, messages: [...first, ...turns], settings };
}

/** Writes the file whole, in place of one that is there. @throws the system's error */
export function saveChat(path: string, session: ChatSession): void {
  writeFileAtomic(path, `${JSON.stringify(chatRecord(session), null, 2)}\n`);
}

/** @throws RangeError naming the file and the place in it */
export function loadChat(path: string): SavedChat {
  const value = readJson(path);
  if (!isObject(value)) throw new RangeError(`${path}: expected an object with messages`);
  const { model: _, messages, settings = {}, ...others } = value;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined)
    throw new RangeError(`${path}: unknown key ${unknown}; expected model, messages, settings`);
  if (!Array.isArray(messages)) throw new RangeError(`${path}: messages: expected a list`);
  const read = messages.map((message: unknown, i) => readMessage(message, `${path}: messages[${i}]`));
  const [first] = read;
  const system = first?.role === "system" ? first.content : null;
  const turns = system === null ? read : read.slice(1);
  const offset = read.length - turns.length;
  turns.forEach(({ role }, i) => {
    const expected = i % 2 === 0 ? "user" : "assistant";
    if (role === expected) return;
    throw new RangeError(`${path}: messages[${i + offset}].role: expected "${expected}" here, got "${role}"`);
  });
  if (turns.length % 2 === 1) throw new RangeError(`${path}: messages: the last question has no answer`);
  return { system, turns, settings: readSettings(settings, `${path}: settings`) };
}

function readMessage(value: unknown, at: string): ChatMessage & { readonly content: string } {
  if (!isObject(value)) throw new RangeError(`${at}: expected an object with role and content`);
  const { role, content, reasoning_content: reasoning, ...others } = value;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    throw new RangeError(`${at}: unknown key ${unknown}; expected role, content, reasoning_content`);
  }
  if (role !== "system" && role !== "user" && role !== "assistant") {
    throw new RangeError(`${at}.role: expected system, user or assistant, got ${JSON.stringify(role) ?? "nothing"}`);
  }
  if (typeof content !== "string") {
    throw new RangeError(`${at}.content: expected a text, got ${JSON.stringify(content) ?? "nothing"}`);
  }
  if (reasoning === undefined || reasoning === null) return { role, content };
  if (typeof reasoning !== "string" || role !== "assistant") {
    throw new RangeError(`${at}.reasoning_content: expected a text, and only in answers`);
  }
  return { role, content, reasoning_content: reasoning };
}
