/** What is asked of the model for one document; evaluation.md 8.1 and 8.2. */
import { hashInts, stream } from "../../data/random.js";
import type { Doc, Target } from "../taskFile.js";
import type { EvalRequest } from "./evalModel.js";
import { buildPrompt, type Prompt, type PromptSettings } from "./prompt.js";
import type { Task } from "./task.js";
import { goldIndices } from "./taskTexts.js";

export interface DocRequests {
  /** Index in the evaluated split, after process_docs. */
  readonly docId: number;
  readonly doc: Doc;
  readonly target: Target;
  readonly choices: readonly string[] | null;
  /** Indices of the right choices; none without choices. */
  readonly gold: readonly number[];
  readonly requests: readonly EvalRequest[];
}

/**
 * @param seed of the sampling
 * @throws RangeError naming task and document, for one that does not fit
 */
export function buildRequests(
  task: Task,
  docId: number,
  doc: Doc,
  shots: readonly Doc[],
  settings: PromptSettings,
  seed: number,
): DocRequests {
  try {
    return build(task, docId, doc, shots, settings, seed);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new RangeError(`task ${task.name}, document ${docId}: ${error.message}`);
  }
}

function build(
  task: Task,
  docId: number,
  doc: Doc,
  shots: readonly Doc[],
  settings: PromptSettings,
  seed: number,
): DocRequests {
  const { texts, file } = task;
  const target = texts.target(doc);
  const choices = texts.choices(doc);
  const made = (requests: readonly EvalRequest[], gold: readonly number[] = []): DocRequests => ({
    docId,
    doc,
    target,
    choices,
    gold,
    requests,
  });
  switch (file.outputType) {
    case "loglikelihood_rolling":
      return made([{ kind: "rolling", text: textOfTarget(target) }]);
    case "loglikelihood": {
      const prompt = buildPrompt(task, doc, shots, settings);
      return made([{ kind: "loglikelihood", prompt, continuation: textOfTarget(target) }]);
    }
    case "multiple_choice":
      return made(...choiceRequests(task, doc, buildPrompt(task, doc, shots, settings), target, choices ?? []));
    case "generate_until": {
      const prompt = buildPrompt(task, doc, shots, settings);
      const isSampled = task.generation.temperature > 0;
      return made(
        Array.from({ length: task.repeats }, (_, repeat) => ({
          kind: "generate",
          prompt,
          settings: task.generation,
          seed: isSampled ? hashInts(seed, stream.sampling, docId, repeat) : 0,
          repeat,
        })),
      );
    }
    default:
      return file.outputType satisfies never;
  }
}

/** One for each choice; then, for mutual information, each choice without the question. */
function choiceRequests(
  task: Task,
  doc: Doc,
  prompt: Prompt,
  target: Target,
  choices: readonly string[],
): readonly [EvalRequest[], readonly number[]] {
  const question = task.texts.question(doc);
  // A template writes its own separator between turns.
  const delimiter = prompt.kind === "chat" ? "" : task.targetDelimiter;
  const ask = (prompt: Prompt, continuation: string): EvalRequest => ({ kind: "loglikelihood", prompt, continuation });
  if (typeof question === "number") {
    const gold = goldIndices(question, choices);
    const continuation = delimiter + textOfTarget(target);
    return [choices.map((context) => ask(withContext(prompt, context), continuation)), gold];
  }
  const gold = goldIndices(target, choices);
  const requests = choices.map((choice) => ask(prompt, delimiter + choice));
  if (!task.metrics.some(({ name }) => name === "acc_mutual_info")) return [requests, gold];
  const nothing: Prompt = { kind: "text", text: "", suffix: null };
  return [[...requests, ...choices.map((choice) => ask(nothing, delimiter + choice))], gold];
}

/** A context stands at the end of the prompt; in a chat it is in the last user's turn. */
function withContext(prompt: Prompt, context: string): Prompt {
  if (prompt.kind === "text") return { ...prompt, text: prompt.text + context };
  const last = prompt.messages.at(-1);
  if (!last) throw new Error("internal: a chat without a question");
  return {
    ...prompt,
    messages: [...prompt.messages.slice(0, -1), { ...last, content: (last.content ?? "") + context }],
  };
}

function textOfTarget(target: Target): string {
  if (typeof target === "string") return target;
  throw new RangeError(`doc_to_target: expected a text, got ${JSON.stringify(target)}`);
}
