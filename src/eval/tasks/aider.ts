/**
 * Aider's two benchmarks: exercises to solve by editing files with search/replace blocks, in two tries, the second with the output of the
 * failed tests; evaluation.md 5.13. `aider_edit` has 133 Python exercises, `aider_polyglot` 225 in six languages. Rows are made by the user
 * from a checkout of the exercises:
 *
 *     { "exercise": "anagram", "language": "python", "instructions": "...", "files": [{ "path": "anagram.py", "content": "..." }],
 *       "test_files": [{ "path": "anagram_test.py", "content": "..." }] }
 *
 * Python's unit tests run here, files as modules in memory. Tests of the other languages need a checkout with the language's own tools, and
 * scoring says so. The words of the prompts are ours.
 */
import { applyEditBlocks, EditBlockError, parseEditBlocks } from "../metrics/editBlocks.js";
import type { Doc, PublishedScore, Scorer, ScoringTools, TaskFile } from "../taskFile.js";
import { chatGeneration } from "./extraction.js";
import { type ProgramVerdict, passesAsserts } from "./programs.js";

interface SourceFile {
  readonly path: string;
  readonly content: string;
}

const timeoutSeconds = 180;
/** Characters of the tests' output that the second try sees, the end of it. */
const shownErrors = 4000;

function filesOf(doc: Doc, column: "files" | "test_files"): Map<string, string> {
  const files = doc[column] as readonly SourceFile[] | undefined;
  if (!Array.isArray(files) || files.length === 0) {
    throw new RangeError(`aider: ${doc.exercise}: the column ${column} must be a list of { path, content }`);
  }
  return new Map(files.map(({ path, content }) => [path, content]));
}

function question(doc: Doc): string {
  const files = [...filesOf(doc, "files")].map(
    ([path, content]) => `${path}\n\`\`\`${doc.language}\n${content.trimEnd()}\n\`\`\``,
  );
  return `${doc.instructions}

Edit the files below so that they do what is described. Keep the names of files, functions and classes, since tests use them. Use the
standard library alone.

${files.join("\n\n")}

Give every change as an edit block: the file's path on a line, then a fenced block that finds lines and replaces them. The lines
to find must be in the file as they stand, white space included.

path/of/file
\`\`\`${doc.language}
<<<<<<< SEARCH
lines of the file
=======
lines to put there
>>>>>>> REPLACE
\`\`\``;
}

/** The program that runs Python's unit tests on files in memory; it ends with code 1 unless there are tests and all pass. */
export function pythonTestProgram(files: ReadonlyMap<string, string>, tests: ReadonlyMap<string, string>): string {
  const moduleName = (path: string): string => path.replace(/\.py$/, "").split("/").at(-1) ?? path;
  const sources = Object.fromEntries([...files, ...tests].map(([path, content]) => [moduleName(path), content]));
  return `import importlib.abc, importlib.util, json, sys, unittest

sources = json.loads(${JSON.stringify(JSON.stringify(sources))})

class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_loader(name, self) if name in sources else None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(compile(sources[module.__name__], module.__name__ + ".py", "exec"), module.__dict__)

sys.meta_path.insert(0, Finder())
suite = unittest.defaultTestLoader.loadTestsFromNames(${JSON.stringify([...tests.keys()].map(moduleName))})
result = unittest.TextTestRunner(stream=sys.stderr).run(suite)
if result.testsRun == 0 or not result.wasSuccessful():
    sys.exit(1)`;
}

interface Try {
  readonly isWellFormed: boolean;
  readonly verdict: ProgramVerdict;
  readonly files: ReadonlyMap<string, string>;
}

async function tryAnswer(
  doc: Doc,
  answer: string,
  files: ReadonlyMap<string, string>,
  tools: ScoringTools,
): Promise<Try> {
  let edited: ReadonlyMap<string, string>;
  try {
    edited = applyEditBlocks(files, parseEditBlocks(answer, [...files.keys()]));
  } catch (error) {
    if (!(error instanceof EditBlockError)) throw error;
    return { isWellFormed: false, verdict: { passed: false, outcome: "edit block", errors: error.message }, files };
  }
  if (doc.language !== "python") {
    throw new RangeError(
      `aider: ${doc.exercise}: its tests need a checkout of the exercises with the tools of ${doc.language}; only Python's ` +
        "unit tests can run here",
    );
  }
  const source = pythonTestProgram(edited, filesOf(doc, "test_files"));
  const verdict = await passesAsserts(tools.runProgram, "python", source, timeoutSeconds);
  return { isWellFormed: true, verdict, files: edited };
}

export function secondRequest({ isWellFormed, verdict: { errors } }: Pick<Try, "isWellFormed" | "verdict">): string {
  const wrong = isWellFormed ? "The tests fail. The end of their output:" : "An edit block could not be applied:";
  return `${wrong}\n\n${errors.slice(-shownErrors)}\n\nThe tests are right. Change the files with further edit blocks.`;
}

const scorer: Scorer = async ({ doc, responses: [response = ""] }, tools) => {
  const first = await tryAnswer(doc, response, filesOf(doc, "files"), tools);
  const report = (tries: readonly Try[]): Record<string, number> => ({
    pass_rate_1: first.verdict.passed ? 1 : 0,
    pass_rate_2: tries.some(({ verdict }) => verdict.passed) ? 1 : 0,
    well_formed: tries.every(({ isWellFormed }) => isWellFormed) ? 1 : 0,
  });
  if (first.verdict.passed) return { metrics: report([first]), details: { outcomes: ["passed"] } };
  if (!tools.followUp) {
    throw new RangeError(
      `aider: ${doc.exercise}: the second try is a further turn of the chat, and this run cannot put another question to the model`,
    );
  }
  const reply = await tools.followUp(secondRequest(first));
  const second = await tryAnswer(doc, reply, first.files, tools);
  return {
    metrics: report([first, second]),
    details: { outcomes: [first.verdict.outcome, second.verdict.outcome], secondAnswer: reply },
  };
};

function variant(task: string, about: string, source: string, value: number): TaskFile {
  const published: PublishedScore = { table: "chat", metric: "acc", value, key: "pass_rate_2,none" };
  return {
    task,
    dataset: { path: `aider/${task}`, name: null, source },
    testSplit: "test",
    promptKind: "chat",
    docToText: question,
    docToTarget: () => "",
    outputType: "generate_until",
    generationKwargs: chatGeneration,
    scorer,
    metricList: [{ metric: "pass_rate_1" }, { metric: "pass_rate_2" }, { metric: "well_formed" }],
    metadata: { version: 1 },
    format: "own",
    about,
    needs: ["sandbox", "checkout"],
    published,
  };
}

const rowsFrom = "src/eval/tasks/aider.ts says how rows are made of them";

export const aiderTasks: readonly TaskFile[] = [
  variant(
    "aider_edit",
    "133 Python exercises",
    `The exercises are those of Exercism's Python track; ${rowsFrom}`,
    79.7,
  ),
  variant(
    "aider_polyglot",
    "225 exercises in six languages",
    `The exercises are those of Aider's polyglot-benchmark repository; ${rowsFrom}`,
    49.6,
  ),
];
