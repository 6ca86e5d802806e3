/** A built-in task with documents and answers that a test makes up: what the model would read, and what the answers score. */
import type { EvalResponse, GenerateRequest } from "../../src/eval/harness/evalModel.js";
import { plainText, promptText } from "../../src/eval/harness/prompt.js";
import { buildRequests, type DocRequests } from "../../src/eval/harness/requests.js";
import { scoreDoc } from "../../src/eval/harness/scoring.js";
import { compileTask, type Task } from "../../src/eval/harness/task.js";
import type { Doc, MetricValue, ScoringTools } from "../../src/eval/taskFile.js";
import { builtInTasks } from "../../src/eval/tasks/index.js";

export function taskNamed(name: string): Task {
  const file = builtInTasks.find(({ task }) => task === name);
  if (!file) throw new Error(`there is no task ${name}`);
  return compileTask(file);
}

/** Documents as the task sees them, after process_docs. */
export function processed(task: Task, rows: readonly Doc[]): readonly Doc[] {
  return task.file.processDocs?.(rows) ?? rows;
}

export function ask(task: Task, doc: Doc, shots: readonly Doc[] = []): DocRequests {
  const [own = doc] = processed(task, [doc]);
  return buildRequests(task, 0, own, processed(task, shots), plainText, 1234);
}

/** What the model reads first, and for choices each of their continuations. */
export function promptOf(
  name: string,
  doc: Doc,
  shots: readonly Doc[] = [],
): { prompt: string; continuations: string[] } {
  const { requests } = ask(taskNamed(name), doc, shots);
  const [first] = requests;
  if (!first) throw new Error("no request");
  return {
    prompt: first.kind === "rolling" ? first.text : promptText(first.prompt),
    continuations: requests.flatMap((request) => (request.kind === "loglikelihood" ? [request.continuation] : [])),
  };
}

/** Contexts of tasks whose choices are contexts. */
export function contextsOf(name: string, doc: Doc): string[] {
  return ask(taskNamed(name), doc).requests.flatMap((request) =>
    request.kind === "loglikelihood" ? [promptText(request.prompt)] : [],
  );
}

export function generationOf(name: string, doc: Doc): GenerateRequest["settings"] {
  const [first] = ask(taskNamed(name), doc).requests;
  if (first?.kind !== "generate") throw new Error(`task ${name} generates nothing`);
  return first.settings;
}

const noTools: ScoringTools = {
  judge: () => Promise.reject(new Error("no judge in this test")),
  runProgram: () => Promise.reject(new Error("no programs in this test")),
};

/**
 * Scores by `metric,filter`.
 * @param answers log-likelihoods of the choices, or texts of the repeats
 */
export async function scoresOf(
  name: string,
  doc: Doc,
  answers: readonly number[] | readonly string[],
  tools: ScoringTools = noTools,
): Promise<Record<string, MetricValue>> {
  const task = taskNamed(name);
  const responses = answers.map(
    (answer): EvalResponse =>
      typeof answer === "number"
        ? { kind: "loglikelihood", logprob: answer, isGreedy: false, tokens: 1, cutTokens: 0 }
        : {
            kind: "generate",
            text: answer,
            isTruncated: false,
            promptTokens: 1,
            completionTokens: 1,
            cutTokens: 0,
            cost: null,
          },
  );
  const scored = await scoreDoc(task, ask(task, doc), responses, tools);
  return Object.fromEntries(
    scored.flatMap(({ filter, metrics }) => Object.entries(metrics).map(([key, value]) => [`${key},${filter}`, value])),
  );
}
