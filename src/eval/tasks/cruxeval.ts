/**
 * CRUXEval: what a short Python function returns (O), or which input makes it return a given value (I); evaluation.md 3.18. The answer is
 * an assertion between tags, and it is graded by running it. Ten draws at temperature 0.2. The tags and the form of the assertion are the
 * benchmark's; the sentences and the two worked examples are ours.
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

function question(doc: Doc, side: Side): string {
  return `[PYTHON]\n${doc.code}\n${assertion(doc, side)}\n[/PYTHON]\n[ANSWER]\n`;
}

const headers: Readonly<Record<Side, string>> = {
  input:
    "Find arguments for which the assertion holds. Any that make f return the value shown will do. Write the assertion " +
    "with the arguments in place of ??, between [ANSWER] and [/ANSWER], and nothing else.\n\n",
  output:
    "Find the value that f returns for the arguments shown. Write the assertion with that value, a literal " +
    "without calls or operators, in place of ??, between [ANSWER] and [/ANSWER], and nothing else.\n\n",
};

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
    docToText: (doc) => question(doc, side),
    docToTarget: (doc) => `${assertion(doc, null)}\n[/ANSWER]`,
    targetDelimiter: "",
    fewshotConfig: { sampler: "first_n", samples: shots },
    numFewshot: 2,
    outputType: "generate_until",
    generationKwargs: { until: ["[/ANSWER]"], maxGenToks: 1024, doSample: true, temperature: 0.2, topP: 0.95 },
    repeats: 10,
    filterList: [{ name: "none", filter: [] }],
    scorer: scorer(side),
    metricList: [{ metric: "pass@1" }],
    metadata: { version: 1 },
    format: "own",
    about: side === "input" ? "find the input (CRUXEval-I)" : "find the output (CRUXEval-O)",
    needs: ["sandbox"],
    published: { table: "base", metric: "EM", value, key: "pass@1,none" },
  };
}

export const cruxevalTasks: readonly TaskFile[] = [variant("input", 67.3), variant("output", 69.8)];
