/**
 * The formats of TRL and of chat completions: a conversation, text, prompt and completion, preferences, verdicts, steps, prompts; and the rows of
 * verl, which are prompts with other columns. Prompts and answers are texts or lists of messages. post-training.md 3.2.
 *
 * A preference without a prompt repeats it at the beginning of both answers. Between messages the line is clear. Between texts it is drawn behind
 * the last white space before they part (TRL draws it inside of a word if that is where they part).
 */
import type { Irregularity } from "./choices.js";
import { checkOrder } from "./conversation.js";
import { type PlacedMessages, readMessages, readTools } from "./messages.js";
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
import { promptKey } from "./records.js";
import type { Row } from "./row.js";

export interface FormatOptions {
  /** Deviations from the order of a conversation to accept. */
  readonly allow: readonly Irregularity[];
  /** What a plain prompt and its answer are: text as it stands, or a message of the user and one of the assistant. */
  readonly plainAs: "text" | "chat";
  /** Alpaca: answers in `history` are context and not learned. */
  readonly maskHistory: boolean;
}

/** What every record has beside its passages; asked for last, when all fields of the format have been read. */
export function recordBase(
  row: Row,
  prompt: Passage | null,
  completion: Passage,
  tools: ChatRecord["tools"],
): Pick<DataRecord, "path" | "row" | "key" | "tools" | "columns" | "unusedFields"> {
  const columns = row.rest();
  const key = promptKey(columns, prompt, completion);
  return { path: row.path, row: row.number, key, tools, columns, unusedFields: row.unusedInside };
}

export function messagesOf(messages: readonly RecordMessage[]): Passage {
  return { form: "messages", messages };
}

export function readConversation(row: Row, options: FormatOptions, field = "messages"): ChatRecord {
  const given = readMessages(row, field);
  checkOrder(row, given, options.allow, "conversation");
  const completion = messagesOf(given.messages);
  return { kind: "chat", prompt: null, completion, ...recordBase(row, null, completion, readTools(row, "tools")) };
}

/** Text alone, all of which is learned. */
export function readText(row: Row): ChatRecord {
  const text = row.text("text");
  if (text === "") row.refuse("text", "a text", text);
  const completion: Passage = { form: "text", text };
  return { kind: "chat", prompt: null, completion, ...recordBase(row, null, completion, []) };
}

export function readPromptCompletion(row: Row, options: FormatOptions): ChatRecord {
  const { prompt, answers } = promptAndAnswers(row, ["completion"], options);
  const [completion] = answers;
  return { kind: "chat", prompt, completion, ...recordBase(row, prompt, completion, readTools(row, "tools")) };
}

export function readUnpaired(row: Row, options: FormatOptions): UnpairedRecord {
  const { prompt, answers } = promptAndAnswers(row, ["completion"], options);
  const [completion] = answers;
  const isDesirable = row.flag("label");
  const base = recordBase(row, prompt, completion, readTools(row, "tools"));
  return { kind: "unpaired", prompt, completion, isDesirable, ...base };
}

export function readPreference(row: Row, options: FormatOptions): PreferenceRecord {
  const isExplicit = row.has("prompt") && isList(row, "prompt") === isList(row, "chosen");
  const { prompt, answers } = isExplicit
    ? promptAndAnswers(row, ["chosen", "rejected"], options)
    : commonPrompt(row, options);
  const [chosen, rejected] = answers;
  const base = recordBase(row, prompt, chosen, readTools(row, "tools"));
  if (JSON.stringify(chosen) === JSON.stringify(rejected)) row.fail("rejected", "expected another answer than chosen");
  return { kind: "preference", prompt, chosen, rejected, ...base };
}

export function readStepwise(row: Row, options: FormatOptions): StepwiseRecord {
  const prompt = readPrompt(row, options);
  const steps = row.list("completions").map((step, i) => {
    if (typeof step === "string" && step !== "") return step;
    return row.refuse(`completions[${i}]`, "the text of a step", step);
  });
  const areRight = row.list("labels").map((label, i) => {
    return typeof label === "boolean" ? label : row.refuse(`labels[${i}]`, "true or false", label);
  });
  if (steps.length === 0) row.fail("completions", "expected steps, got an empty list");
  if (steps.length !== areRight.length) {
    row.fail("labels", `expected one for each of ${steps.length} completions, got ${areRight.length}`);
  }
  const base = recordBase(row, prompt, { form: "text", text: steps.join("\n") }, readTools(row, "tools"));
  return { kind: "stepwise", prompt, steps, areRight, ...base };
}

export function readPromptRecord(row: Row, options: FormatOptions): PromptRecord {
  const prompt = readPrompt(row, options);
  return { kind: "prompt", prompt, ...recordBase(row, prompt, prompt, readTools(row, "tools")) };
}

/** A row of verl: its prompt, and data_source, ability, reward_model and extra_info as columns for the reward. */
export function readVerl(row: Row, options: FormatOptions): PromptRecord {
  const given = readMessages(row, "prompt");
  checkOrder(row, given, options.allow, "prompt");
  const prompt = messagesOf(given.messages);
  const record: PromptRecord = { kind: "prompt", prompt, ...recordBase(row, prompt, prompt, []) };
  if (typeof record.columns.data_source !== "string") row.refuse("data_source", "a text", record.columns.data_source);
  const model = record.columns.reward_model;
  if (typeof model !== "object" || model === null || !("ground_truth" in model)) {
    row.refuse("reward_model", "an object with ground_truth", model);
  }
  return record;
}

/** A prompt, and answers to it of the same form. */
function promptAndAnswers<Fields extends readonly ["completion"] | readonly ["chosen", "rejected"]>(
  row: Row,
  fields: Fields,
  options: FormatOptions,
): { readonly prompt: Passage; readonly answers: { readonly [Index in keyof Fields]: Passage } } {
  const prompt = readPrompt(row, options);
  const isChat = isList(row, "prompt");
  const answers = fields.map((field): Passage => {
    if (!isChat) return answerText(row, field, row.text(field), options);
    const given = isList(row, field)
      ? readMessages(row, field)
      : row.refuse(field, "messages, as prompt has", row.value(field));
    checkOrder(row, given, options.allow, "completion", prompt.form === "messages" ? prompt.messages : []);
    return messagesOf(given.messages);
  });
  return { prompt, answers: answers as { readonly [Index in keyof Fields]: Passage } }; // map keeps the length
}

function readPrompt(row: Row, { allow, plainAs }: FormatOptions): Passage {
  if (isList(row, "prompt")) {
    const given = readMessages(row, "prompt");
    checkOrder(row, given, allow, "prompt");
    return messagesOf(given.messages);
  }
  const text = row.text("prompt");
  if (plainAs === "text") return { form: "text", text };
  if (text.trim() === "") row.refuse("prompt", "a message of the user", text);
  return messagesOf([{ role: "user", content: text, weight: 0 }]);
}

function answerText(row: Row, field: string, text: string, { plainAs }: FormatOptions): Passage {
  if (text.trim() === "") row.refuse(field, "an answer", text);
  if (plainAs === "text") return { form: "text", text };
  return messagesOf([{ role: "assistant", content: text.trimStart(), weight: 1 }]);
}

/** The prompt that both answers begin with, and what they go on with. */
function commonPrompt(
  row: Row,
  options: FormatOptions,
): { readonly prompt: Passage; readonly answers: readonly [Passage, Passage] } {
  row.value("prompt"); // Where it has another form than the answers, it says again what they begin with.
  if (!isList(row, "chosen")) return commonText(row, options);
  const sides = [readMessages(row, "chosen"), readMessages(row, "rejected")] as const;
  const [first, second] = sides.map(({ messages }) => messages.map((message) => JSON.stringify(message)));
  let shared = 0;
  while (shared < (first?.length ?? 0) && first?.[shared] === second?.[shared]) shared++;
  if (shared === first?.length && shared === second?.length)
    row.fail("rejected", "expected another answer than chosen");
  const prompt = part(sides[0], 0, shared);
  if (shared === 0) row.fail("rejected", "expected to begin with the same prompt as chosen");
  checkOrder(row, prompt, options.allow, "prompt");
  const answers = sides.map((side) => {
    const answer = part(side, shared, side.messages.length);
    if (answer.messages.length === 0) row.fail("rejected", "expected both answers to go on behind what they share");
    checkOrder(row, answer, options.allow, "completion", prompt.messages);
    return messagesOf(answer.messages);
  });
  return { prompt: messagesOf(prompt.messages), answers: answers as [Passage, Passage] };
}

function commonText(
  row: Row,
  options: FormatOptions,
): { readonly prompt: Passage; readonly answers: readonly [Passage, Passage] } {
  const [chosen, rejected] = [row.text("chosen"), row.text("rejected")];
  if (chosen === rejected) row.fail("rejected", "expected another answer than chosen");
  let shared = 0;
  while (shared < chosen.length && chosen[shared] === rejected[shared]) shared++;
  const text = /^.*\s/su.exec(chosen.slice(0, shared))?.[0] ?? "";
  if (text.trim() === "")
    row.fail("rejected", "expected to begin with the same prompt as chosen, which ends with white space");
  const answers: [Passage, Passage] = [
    answerText(row, "chosen", chosen.slice(text.length), options),
    answerText(row, "rejected", rejected.slice(text.length), options),
  ];
  if (options.plainAs === "text") return { prompt: { form: "text", text }, answers };
  return { prompt: messagesOf([{ role: "user", content: text.trimEnd(), weight: 0 }]), answers };
}

function part({ messages, places }: PlacedMessages, from: number, to: number): PlacedMessages {
  return { messages: messages.slice(from, to), places: places.slice(from, to) };
}

function isList(row: Row, field: string): boolean {
  return Array.isArray(row.value(field));
}
