/**
 * What is made of an answer before it is compared: pipelines of small steps, each with a name of its own in the results; evaluation.md 8.8.
 * A step sees all answers to one document.
 */

import { normalized } from "../metrics/exactMatch.js";
import { invalidAnswer } from "../metrics/invalidAnswer.js";
import { majorityAnswer } from "../metrics/passAtK.js";
import { escapeRegex, pythonRegex } from "../metrics/pythonRegex.js";
import type { Doc, Filter, FilterPipeline } from "../taskFile.js";

export interface CompiledPipeline {
  readonly name: string;
  /** What stands where a regex found nothing; null: no step has such a text. */
  readonly fallback: string | null;
  apply(responses: readonly string[], doc: Doc, choices: readonly string[] | null): readonly string[];
}

export const takeFirst: FilterPipeline = { name: "none", filter: [{ function: "take_first" }] };

/** @throws RangeError for a regular expression that cannot be read */
export function compilePipeline({ name, filter }: FilterPipeline): CompiledPipeline {
  const steps = filter.map(compileStep);
  const fallbacks = filter.map((step) => {
    if ("regexPattern" in step) return step.fallback ?? invalidAnswer;
    return step.function === "custom" ? (step.fallback ?? null) : null;
  });
  return {
    name,
    fallback: fallbacks.find((each) => each !== null) ?? null,
    apply: (responses, doc, choices) => steps.reduce((answers, step) => step(answers, doc, choices), responses),
  };
}

type Step = (answers: readonly string[], doc: Doc, choices: readonly string[] | null) => readonly string[];

function compileStep(filter: Filter): Step {
  switch (filter.function) {
    case "regex": {
      const { regexPattern, groupSelect = 0, fallback = invalidAnswer } = filter;
      const pattern = pythonRegex(regexPattern, "g");
      return (answers) => answers.map((answer) => matchOf(pattern, answer, groupSelect) ?? fallback);
    }
    case "multi_choice_regex":
      return choiceStep(filter);
    case "take_first":
      return (answers) => answers.slice(0, 1);
    case "take_first_k":
      return (answers) => {
        if (answers.length >= filter.k) return answers.slice(0, filter.k);
        throw new RangeError(`take_first_k: ${filter.k} answers are wanted, there are ${answers.length} (repeats)`);
      };
    case "majority_vote":
      return (answers) => {
        const most = majorityAnswer(answers);
        return most === null ? [] : [most];
      };
    case "remove_whitespace":
      return (answers) => answers.map((answer) => answer.trimStart());
    case "lowercase":
      return (answers) => answers.map((answer) => answer.toLowerCase());
    case "uppercase":
      return (answers) => answers.map((answer) => answer.toUpperCase());
    case "map": {
      const table = new Map(Object.entries(filter.mappingDict));
      return (answers) => answers.map((answer) => table.get(answer) ?? filter.defaultValue ?? invalidAnswer);
    }
    case "custom":
      return filter.apply;
    default:
      return filter satisfies never;
  }
}

/** The match that counts: of several groups the first that is not empty, without white space around it. */
function matchOf(pattern: RegExp, text: string, select: number): string | null {
  const match = [...text.matchAll(pattern)].at(select);
  if (!match) return null;
  const [whole, ...groups] = match;
  if (groups.length === 1) return (groups[0] ?? "").trim();
  const found = groups.length === 0 ? whole : groups.find((group) => group !== undefined && group !== "");
  return found === undefined ? null : found.trim();
}

/**
 * A letter in brackets: by the pattern, else the first choice that is written out, else the first letter behind a colon. The answer is then
 * "(B)" in every case.
 */
function choiceStep(filter: Extract<Filter, { readonly function: "multi_choice_regex" }>): Step {
  const {
    regexPattern,
    groupSelect = 0,
    fallback = invalidAnswer,
    ignoreCase = false,
    ignorePunctuation = false,
  } = filter;
  const pattern = pythonRegex(regexPattern, "g");
  const ignored = {
    ignoreCase,
    ignorePunctuation,
    regexesToIgnore: (filter.regexesToIgnore ?? []).map((source) => pythonRegex(source, "g")),
  };
  return (answers, _, choices) => {
    if (!choices) throw new RangeError("multi_choice_regex: the task has no doc_to_choice to look the answer up in");
    const texts = choices.map((choice) => normalized(choice.trim(), ignored));
    const letters = choices.map((_, i) => String.fromCharCode(65 + i));
    const written = new RegExp(texts.map(escapeRegex).join("|"), "gu");
    const behindColon = new RegExp(`:[\\s]*(${letters.join("|")})`, "gu");
    return answers.map((answer) => {
      const found = matchOf(pattern, answer, groupSelect);
      if (found !== null) return found;
      const text = matchOf(written, normalized(answer, ignored), groupSelect);
      if (text !== null && texts.includes(text)) return `(${letters[texts.indexOf(text)]})`;
      const letter = matchOf(behindColon, answer, groupSelect);
      return letter === null ? fallback : `(${letter})`;
    });
  };
}
