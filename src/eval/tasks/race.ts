/**
 * RACE: English examinations for Chinese pupils, an article and questions about it with four options; evaluation.md 3.11. The full text of
 * an option is scored, which is much harder than choosing a letter: figures of the two do not compare.
 *
 * `race` is lm-eval's: the hard part alone, one row an article, its last problem asked and the earlier ones shown solved. `race_middle` and
 * `race_high` are DeepSeek-V2's form of the same idea: every question is asked, after up to five earlier ones of its article. These are the
 * shots of the report's tables, so none are added. The words "Article:", "Question:" and "Answer:" are lm-eval's, the line breaks of
 * the second form ours.
 */
import type { Doc, TaskFile } from "../taskFile.js";
import { parsePythonLiteral } from "./pythonLiteral.js";

interface Problem {
  readonly question: string;
  readonly options: readonly string[];
  /** "A" to "D". */
  readonly answer: string;
}

const letters = "ABCD";

/** The problems of a row, which the file keeps as a Python list in a text. */
function problemsOf(doc: Doc): readonly Problem[] {
  const problems = parsePythonLiteral(String(doc.problems)) as readonly Problem[];
  if (problems.length === 0) throw new RangeError("race: an article without problems");
  return problems;
}

function rightOption({ options, answer }: Problem): string {
  const option = options[letters.indexOf(answer)];
  if (answer.length !== 1 || option === undefined) {
    throw new RangeError(`race: the answer must be one of the letters of ${options.length} options, got "${answer}"`);
  }
  return option;
}

/** A gap at the end of a question is filled by its answer, in the line itself. */
function solved(problem: Problem): string {
  if (problem.question.endsWith("  _  .")) return `${problem.question.slice(0, -5)}${rightOption(problem)}\n`;
  return `Question: ${problem.question}\nAnswer: ${rightOption(problem)}\n`;
}

function lastOf(doc: Doc): Problem {
  const last = problemsOf(doc).at(-1);
  if (!last) throw new Error("internal: no last problem");
  return last;
}

/** Each row with the rows of the same article before it, five at most. */
function withEarlier(docs: readonly Doc[]): Doc[] {
  const seen = new Map<unknown, Doc[]>();
  return docs.map((doc) => {
    const earlier = seen.get(doc.article) ?? [];
    seen.set(doc.article, [...earlier, doc]);
    return { ...doc, earlier: earlier.slice(-5) };
  });
}

function plainQuestion(doc: Doc): string {
  const shown = (doc.earlier as readonly Problem[]).map(
    (problem) => `Question: ${problem.question}\nAnswer: ${rightOption(problem)}\n\n`,
  );
  return `Article: ${doc.article}\n\n${shown.join("")}Question: ${doc.question}\nAnswer:`;
}

const shared = {
  outputType: "multiple_choice",
  metricList: [{ metric: "acc" }],
  metadata: { version: 1 },
} as const;

function part(config: "middle" | "high", value: number): TaskFile {
  return {
    ...shared,
    task: `race_${config}`,
    dataset: { path: "ehovy/race", name: config },
    trainingSplit: "train",
    validationSplit: "validation",
    testSplit: "test",
    processDocs: withEarlier,
    docToText: plainQuestion,
    docToChoice: "options",
    docToTarget: (doc) => letters.indexOf(String(doc.answer)),
    format: "DeepSeek V2",
    about: "after up to five earlier questions of the same article",
    published: { table: "base", metric: "acc", value, key: "acc,none" },
  };
}

export const raceTasks: readonly TaskFile[] = [
  {
    ...shared,
    task: "race",
    dataset: { path: "EleutherAI/race", name: "high" },
    testSplit: "test",
    docToText: (doc) => {
      const earlier = problemsOf(doc).slice(0, -1).map(solved).join("");
      return `Article: ${doc.article}\n\n${earlier}${lastOf(doc).question}`;
    },
    docToChoice: (doc) => lastOf(doc).options,
    docToTarget: (doc) => letters.indexOf(lastOf(doc).answer),
    metadata: { version: 3 },
    format: "lm-eval",
    about: "the last problem of each article of the hard part",
    published: { table: "base", metric: "acc", value: 51.3, key: "acc,none" },
  },
  part("middle", 67.1),
  part("high", 51.3),
];
