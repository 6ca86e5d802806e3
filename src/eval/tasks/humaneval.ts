/**
 * HumanEval: 164 Python functions to complete from signature and docstring; evaluation.md 3.15. The prompt is the file as it stands; a
 * completion ends where the next top-level statement would begin and is run with the problem's asserts. `humaneval` takes the likeliest
 * completion; `humaneval_t02` and `humaneval_t08` draw 200 at temperature 0.2 and 0.8, as the original does for pass@1 and pass@100.
 */
import { passAtK } from "../metrics/passAtK.js";
import type { Doc, GenerationKwargs, Metric, Scorer, TaskFile } from "../taskFile.js";
import { passesAsserts } from "./programs.js";

const timeoutSeconds = 3;

/** Scores `pass@k` for each k: completions that pass among all of them. */
export function passMetrics(isRight: readonly boolean[], ks: readonly number[]): Record<string, number> {
  const right = isRight.filter(Boolean).length;
  return Object.fromEntries(ks.map((k) => [`pass@${k}`, passAtK(isRight.length, right, k)]));
}

/** The whole program: what was asked, the completion, the problem's tests and their call. */
export function humanevalProgram(doc: Doc, completion: string): string {
  return `${doc.prompt}${completion}\n${doc.test}\ncheck(${doc.entry_point})`;
}

function scorer(ks: readonly number[]): Scorer {
  return async ({ doc, responses }, { runProgram }) => {
    const verdicts = [];
    for (const response of responses) {
      verdicts.push(await passesAsserts(runProgram, "python", humanevalProgram(doc, response), timeoutSeconds));
    }
    return {
      metrics: passMetrics(
        verdicts.map(({ passed }) => passed),
        ks,
      ),
      details: { outcomes: verdicts.map(({ outcome }) => outcome) },
    };
  };
}

function variant(
  task: string,
  about: string,
  ks: readonly number[],
  sampling: GenerationKwargs,
  repeats: number,
): TaskFile {
  return {
    task,
    dataset: { path: "openai/openai_humaneval", name: "openai_humaneval" },
    testSplit: "test",
    docToText: "{{prompt}}",
    docToTarget: "{{canonical_solution}}",
    targetDelimiter: "",
    numFewshot: 0,
    outputType: "generate_until",
    generationKwargs: { until: ["\nclass", "\ndef", "\n#", "\nif", "\nprint"], maxGenToks: 1024, ...sampling },
    repeats,
    filterList: [{ name: "none", filter: [] }],
    scorer: scorer(ks),
    metricList: ks.map((k): Metric => ({ metric: `pass@${k}` })),
    metadata: { version: 1 },
    format: "lm-eval",
    about,
    needs: ["sandbox"],
    published: { table: "base", metric: "pass@1", value: 65.2, key: "pass@1,none" },
  };
}

export const humanevalTasks: readonly TaskFile[] = [
  variant("humaneval", "the likeliest completion", [1], {}, 1),
  variant("humaneval_t02", "200 draws", [1, 10, 100], { doSample: true, temperature: 0.2, topP: 0.95 }, 200),
  variant("humaneval_t08", "200 draws", [1, 10, 100], { doSample: true, temperature: 0.8, topP: 0.95 }, 200),
];
