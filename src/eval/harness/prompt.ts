/**
 * What the model reads: description, worked examples (shots), the question; evaluation.md 8.7. As plain text in one piece, or as a chat, all
 * in one user's turn or with each shot as a turn of its own.
 */
import type { ChatMessage } from "../../tokenizer/chatTemplate.js";
import type { Doc, TaskFile } from "../taskFile.js";
import { compileText, compileTexts, goldTexts, type TaskTexts } from "./taskTexts.js";

export type Prompt =
  | {
      readonly kind: "text";
      readonly text: string;
      /** What stands behind the gap that the model is to fill; null: it goes on from the text. */
      readonly suffix: string | null;
    }
  | {
      readonly kind: "chat";
      readonly messages: readonly ChatMessage[];
      /** The answer begins like this. */
      readonly answerStart: string;
    };

export interface PromptSettings {
  /** Null: plain text. */
  readonly chat: { readonly shotsAsTurns: boolean } | null;
  /** Stands before the description; in a chat it is the system's message. */
  readonly systemInstruction: string | null;
}

export const plainText: PromptSettings = { chat: null, systemInstruction: null };

/** The parts of a task that make prompts, templates compiled. */
export interface PromptTexts {
  readonly texts: TaskTexts;
  readonly shotTexts: TaskTexts;
  readonly description: (doc: Doc) => string;
  readonly suffix: ((doc: Doc) => string) | null;
  readonly fewshotDelimiter: string;
  readonly targetDelimiter: string;
  readonly genPrefix: string;
}

/** @throws RangeError for a template that cannot be read */
export function compilePrompt(file: TaskFile): PromptTexts {
  const { docToText, docToTarget, docToChoice, docToSuffix, fewshotConfig = {} } = file;
  const texts = compileTexts({ docToText, docToTarget, docToChoice });
  const own = fewshotConfig.docToText ?? fewshotConfig.docToTarget ?? fewshotConfig.docToChoice;
  const suffix = docToSuffix === undefined ? null : compileTexts({ docToText: docToSuffix, docToTarget: "" });
  return {
    texts,
    shotTexts:
      own === undefined
        ? texts
        : compileTexts({
            docToText: fewshotConfig.docToText ?? docToText,
            docToTarget: fewshotConfig.docToTarget ?? docToTarget,
            docToChoice: fewshotConfig.docToChoice ?? docToChoice,
          }),
    description: compileText(file.description ?? ""),
    suffix: suffix && ((doc) => String(suffix.question(doc))),
    fewshotDelimiter: file.fewshotDelimiter ?? "\n\n",
    targetDelimiter: file.targetDelimiter ?? " ",
    genPrefix: file.genPrefix ?? "",
  };
}

/** @throws RangeError for documents that do not fit the task */
export function buildPrompt(task: PromptTexts, doc: Doc, shots: readonly Doc[], settings: PromptSettings): Prompt {
  const { fewshotDelimiter, targetDelimiter, genPrefix } = task;
  const question = questionText(task.texts, doc);
  const system = systemText(task, doc, settings);
  const examples = shots.map((shot) => {
    const [target = ""] = goldTexts(task.shotTexts.target(shot), choicesOfTarget(task.shotTexts, shot));
    return {
      question: questionText(task.shotTexts, shot, true),
      answer: genPrefix === "" ? target : `${genPrefix} ${target}`,
    };
  });
  const shotsText = examples
    .map((shot) => `${shot.question}${targetDelimiter}${shot.answer}${fewshotDelimiter}`)
    .join("");
  if (!settings.chat) {
    const start = genPrefix === "" ? "" : targetDelimiter + genPrefix;
    return { kind: "text", text: system + shotsText + question + start, suffix: task.suffix?.(doc) ?? null };
  }
  if (task.suffix) throw new RangeError("a chat has no gap to fill: run this task without a chat template");
  const messages: ChatMessage[] = system === "" ? [] : [{ role: "system", content: system }];
  if (settings.chat.shotsAsTurns) {
    for (const shot of examples) {
      messages.push({ role: "user", content: shot.question }, { role: "assistant", content: shot.answer });
    }
    messages.push({ role: "user", content: question });
  } else messages.push({ role: "user", content: shotsText + question });
  return { kind: "chat", messages, answerStart: genPrefix };
}

/** The prompt's text for people and for what is written down; of a chat its messages as JSON. */
export function promptText(prompt: Prompt): string {
  if (prompt.kind === "chat") return JSON.stringify(prompt.messages) + prompt.answerStart;
  return prompt.suffix === null ? prompt.text : JSON.stringify({ prefix: prompt.text, suffix: prompt.suffix });
}

/** Of a task whose choices are contexts nothing is asked before them; a shot is written with the right one. */
function questionText(texts: TaskTexts, doc: Doc, isShot = false): string {
  const question = texts.question(doc);
  if (typeof question === "string") return question;
  if (!isShot) return "";
  const [context = ""] = goldTexts(question, texts.choices(doc));
  return context;
}

/** Where choices are contexts the target is a text of its own. */
function choicesOfTarget(texts: TaskTexts, doc: Doc): readonly string[] | null {
  return typeof texts.question(doc) === "number" ? null : texts.choices(doc);
}

function systemText(task: PromptTexts, doc: Doc, { systemInstruction }: PromptSettings): string {
  const description = task.description(doc);
  if (systemInstruction === null) return description;
  return description === "" ? systemInstruction : systemInstruction + task.fewshotDelimiter + description;
}
