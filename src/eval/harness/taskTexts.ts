/** The texts that a task makes of a document: question, answer and choices; evaluation.md 9. */
import type { ChoicesOf, Doc, Target, TargetOf, TextOf } from "../taskFile.js";
import { compileTemplate, isTemplate } from "./template.js";

export interface TextSources {
  readonly docToText: TextOf;
  readonly docToTarget: TargetOf;
  readonly docToChoice?: ChoicesOf | undefined;
}

export interface TaskTexts {
  /** A number: the choices are contexts, and this one is right. */
  question(doc: Doc): string | number;
  /** What the document says, before it is looked up among the choices. */
  target(doc: Doc): Target;
  /** Null: the task has none. */
  choices(doc: Doc): readonly string[] | null;
}

/** @throws RangeError for a template that cannot be read; its functions throw one for a document that does not fit */
export function compileTexts({ docToText, docToTarget, docToChoice }: TextSources): TaskTexts {
  const hasChoices = docToChoice !== undefined;
  const question = compileValue(docToText);
  const target = compileValue(docToTarget);
  const choices = docToChoice === undefined ? null : compileValue(docToChoice);
  return {
    question: (doc) => {
      const value = question(doc);
      if (typeof value === "number" && hasChoices) return value;
      if (hasChoices && typeof docToText !== "function" && isIndex(value)) return Number(value);
      return textOf("doc_to_text", value);
    },
    target: (doc) => checkTarget(target(doc)),
    choices: (doc) => (choices ? checkChoices(choices(doc)) : null),
  };
}

/** A text of a prompt that may be a template. */
export function compileText(source: string): (doc: Doc) => string {
  const value = compileValue(source, false);
  return (doc) => textOf("description", value(doc));
}

/**
 * The right choices by index.
 * @throws RangeError if what the document says is none of the choices
 */
export function goldIndices(target: Target, choices: readonly string[]): number[] {
  const list: readonly (string | number)[] = Array.isArray(target) ? target : [target as string | number];
  return list.map((each) => {
    const at = typeof each === "number" ? each : choices.indexOf(each);
    const index = at < 0 && typeof each === "string" && isIndex(each) ? Number(each) : at;
    if (Number.isInteger(index) && index >= 0 && index < choices.length) return index;
    throw new RangeError(
      `the answer ${JSON.stringify(each)} is none of the ${choices.length} choices ${JSON.stringify(choices)}`,
    );
  });
}

/** The right answers as texts: an index stands for its choice. */
export function goldTexts(target: Target, choices: readonly string[] | null): readonly string[] {
  const list: readonly (string | number)[] = Array.isArray(target) ? target : [target as string | number];
  return list.map((each) => {
    const isChoice = choices && (typeof each === "number" || (!choices.includes(each) && isIndex(each)));
    return isChoice ? (choices[goldIndices(each, choices)[0] ?? 0] ?? "") : String(each);
  });
}

type Source = TextOf | TargetOf | ChoicesOf;

/** A text is a template, else a column if the document has one of that name, else itself. */
function compileValue(source: Source, mayBeColumn = true): (doc: Doc) => unknown {
  if (typeof source === "function") return source;
  if (typeof source !== "string") return () => source;
  if (isTemplate(source)) {
    const template = compileTemplate(source);
    return (doc) => template.evaluate(doc);
  }
  return (doc) => (mayBeColumn && Object.hasOwn(doc, source) ? doc[source] : source);
}

function textOf(key: string, value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  throw new RangeError(`${key}: expected a text, got ${shown(value)}`);
}

function isIndex(value: unknown): boolean {
  return typeof value === "string" && /^\d+$/.test(value);
}

function checkTarget(value: unknown): Target {
  if (typeof value === "string" || typeof value === "number") return value;
  if (typeof value === "boolean") return Number(value);
  if (Array.isArray(value) && value.length > 0) {
    if (value.every((each) => typeof each === "string") || value.every((each) => typeof each === "number")) {
      return value as Target;
    }
  }
  throw new RangeError(`doc_to_target: expected a text, an index or a list of either, got ${shown(value)}`);
}

function checkChoices(value: unknown): readonly string[] {
  const list = typeof value === "string" && value.trimStart().startsWith("[") ? parsedList(value) : value;
  if (
    Array.isArray(list) &&
    list.length > 0 &&
    list.every((each) => typeof each === "string" || typeof each === "number")
  ) {
    return list.map(String);
  }
  throw new RangeError(`doc_to_choice: expected a list of texts, got ${shown(value)}`);
}

/** A column may hold a list as JSON text. */
function parsedList(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 120 ? `${text.slice(0, 120)}...` : text;
}
