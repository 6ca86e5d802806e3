/**
 * CRUXEval: what a short Python function returns (O), or which input makes it return a given value (I); evaluation.md 3.18. The answer is
 * an assertion between tags, and it is graded by running it. Ten draws at temperature 0.2. The prompt is lm-eval's, but that the two worked
 * examples are ours. Deviation: lm-eval takes the quotes off an answer before it runs it, so that a text is never right there; here an
 * answer is run as it is written, as in the benchmark, and a call in place of the value is refused.
 */
import type { Doc, Scorer, TaskFile } from "../taskFile.js";
import { passMetrics } from "./humaneval.js";
import { passesAsserts } from "./programs.js";

const shots: readonly Doc[] = [
  {
    id: "shot_0",
    code: `def f(words, n):
    kept = []
    for word in words:
        if len(word) > n:
            kept.append(word[:n])
    return kept`,
    input: "['harbour', 'tea', 'lantern'], 3",
    output: "['har', 'lan']",
  },
  {
    id: "shot_1",
    code: `def f(text):
    counts = {}
    for char in text:
        counts[char] = counts.get(char, 0) + 1
    return max(counts.values())`,
    input: "'banana'",
    output: "3",
  },
];

/** What the model is to put in place of the question marks. */
type Side = "input" | "output";

function assertion(doc: Doc, side: Side | null): string {
  const input = side === "input" ? "??" : doc.input;
  const output = side === "output" ? "??" : doc.output;
  return `assert f(${input}) == ${output}`;
}

/** lm-eval's. */
const headers: Readonly<Record<Side, string>> = {
  input:
    "You will be given a function f and an output in the form f(??) == output. Find any input such that executing f on " +
    "the input leads to the given output. There may be multiple answers, but you should only output one. In [ANSWER] and " +
    "[/ANSWER] tags, complete the assertion with one such input that will produce the output when executing the function.\n",
  output:
    "You are given a Python function and an assertion containing an input to the function. Complete the assertion with a " +
    "literal (no unsimplified expressions, no function calls) containing the output when executing the provided code on the " +
    "given input, even if the function is incorrect or incomplete. Do NOT output any extra information. Provide the full " +
    "assertion with the correct output in [ANSWER] and [/ANSWER] tags, following the examples.\n",
};

/** The second is what a family of models writes between its reasoning and the answer. */
const until = ["[/ANSWER]", "</seed:think>[ANSWER]"];

/** The model's side of the assertion: before or behind the comparison, whose other side is known. */
export function answeredSide(response: string, doc: Doc, side: Side): string {
  const [inside = ""] = response.split("[/ANSWER]");
  const text = (inside.split("[ANSWER]").at(-1) ?? "").trim().replace(/^assert\s+/, "");
  if (side === "input") {
    const known = `== ${doc.output}`;
    if (text.endsWith(known)) return text.slice(0, -known.length).trim();
    return (text.split("==")[0] ?? "").trim();
  }
  const known = `f(${doc.input}) ==`;
  if (text.startsWith(known)) return text.slice(known.length).trim();
  return (text.includes("==") ? text.slice(text.indexOf("==") + 2) : text).trim();
}

/**
 * The program that an answer must get through; null for one that must not count: arguments without the call, or a call in place of the
 * value, unless the value is a text with one in it.
 */
function gradedProgram(doc: Doc, answer: string, side: Side): string | null {
  const hasCall = /(?<![\w.])f\(/.test(answer);
  if (side === "input") return hasCall ? `${doc.code}\nassert (${answer}) == ${doc.output}` : null;
  if (answer === "" || (hasCall && !String(doc.output).includes("f("))) return null;
  return `${doc.code}\nassert f(${doc.input}) == (${answer})`;
}

function scorer(side: Side): Scorer {
  return async ({ doc, responses }, { runProgram }) => {
    const outcomes: string[] = [];
    for (const response of responses) {
      const program = gradedProgram(doc, answeredSide(response, doc, side), side);
      outcomes.push(
        program === null
          ? "not of the form asked for"
          : (await passesAsserts(runProgram, "python", program, 3)).outcome,
      );
    }
    return {
      metrics: passMetrics(
        outcomes.map((outcome) => outcome === "passed"),
        [1],
      ),
      details: { outcomes },
    };
  };
}

function variant(side: Side, value: number): TaskFile {
  return {
    task: `cruxeval_${side}`,
    dataset: { path: "cruxeval-org/cruxeval", name: null },
    testSplit: "test",
    description: headers[side],
    docToText: (doc) => `[PYTHON]\n${doc.code}\n${assertion(doc, side)}\n[/PYTHON]`,
    docToTarget: (doc) => `\n[ANSWER]\n${assertion(doc, null)}\n[/ANSWER]`,
    fewshotConfig: { sampler: "first_n", samples: shots },
    numFewshot: 2,
    outputType: "generate_until",
    generationKwargs: { until, maxGenToks: 1024, doSample: true, temperature: 0.2, topP: 0.95 },
    repeats: 10,
    filterList: [{ name: "none", filter: [] }],
    scorer: scorer(side),
    metricList: [{ metric: "pass@1" }],
    metadata: { version: 1 },
    format: "lm-eval",
    about: side === "input" ? "find the input (CRUXEval-I)" : "find the output (CRUXEval-O)",
    needs: ["sandbox"],
    published: { table: "base", metric: "EM", value, key: "pass@1,none" },
  };
}

export const cruxevalTasks: readonly TaskFile[] = [variant("input", 67.3), variant("output", 69.8)];
