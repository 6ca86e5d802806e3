/**
 * Alpaca: an instruction, perhaps an input below it, and an output; earlier turns as pairs in `history`. With `chosen` and `rejected` instead of
 * an output it is a preference, with `kto_tag` a verdict. Answers in the history are learned too, as LLaMA-Factory does, unless `maskHistory`.
 * post-training.md 3.2.
 */
import { checkAnswer, readTools } from "./messages.js";
import type { ChatRecord, Passage, PreferenceRecord, RecordMessage, UnpairedRecord } from "./records.js";
import type { Row } from "./row.js";
import { type FormatOptions, messagesOf, recordBase } from "./trl.js";

export function readAlpaca(row: Row, { maskHistory }: FormatOptions): ChatRecord | PreferenceRecord | UnpairedRecord {
  const before: RecordMessage[] = [];
  const system = row.optionalText("system") ?? "";
  if (system !== "") before.push({ role: "system", content: system, weight: 0 });
  if (row.has("history")) before.push(...readHistory(row, maskHistory ? 0 : 1));
  const instruction = row.text("instruction");
  const input = row.optionalText("input") ?? "";
  const question = input === "" ? instruction : `${instruction}\n${input}`;
  if (question.trim() === "") row.refuse("instruction", "a message of the user", instruction);
  before.push({ role: "user", content: question, weight: 0 });
  const prompt = messagesOf(before);
  const answer = (field: string): Passage => messagesOf([readAnswer(row, field, row.text(field), 1)]);

  if (row.has("chosen") || row.has("rejected")) {
    const [chosen, rejected] = [answer("chosen"), answer("rejected")];
    row.value("output");
    if (JSON.stringify(chosen) === JSON.stringify(rejected))
      row.fail("rejected", "expected another answer than chosen");
    const base = recordBase(row, prompt, chosen, readTools(row, "tools"));
    return { kind: "preference", prompt, chosen, rejected, ...base };
  }
  const completion = answer("output");
  if (row.has("kto_tag")) {
    const isDesirable = row.flag("kto_tag");
    const base = recordBase(row, prompt, completion, readTools(row, "tools"));
    return { kind: "unpaired", prompt, completion, isDesirable, ...base };
  }
  const whole = messagesOf([...before, ...(completion.form === "messages" ? completion.messages : [])]);
  return { kind: "chat", prompt: null, completion: whole, ...recordBase(row, null, whole, readTools(row, "tools")) };
}

function readHistory(row: Row, weight: 0 | 1): RecordMessage[] {
  return row.list("history").flatMap((pair, i): RecordMessage[] => {
    const at = `history[${i}]`;
    const [question, answer]: unknown[] =
      Array.isArray(pair) && pair.length === 2 ? pair : row.refuse(at, "a pair of question and answer", pair);
    if (typeof question !== "string") row.refuse(`${at}[0]`, "a text", question);
    if (typeof answer !== "string") row.refuse(`${at}[1]`, "a text", answer);
    return [{ role: "user", content: question, weight: 0 }, readAnswer(row, `${at}[1]`, answer, weight)];
  });
}

function readAnswer(row: Row, field: string, content: string, weight: 0 | 1): RecordMessage {
  checkAnswer(row, () => `${field} (assistant)`, content, "", false);
  return { role: "assistant", content, weight };
}
