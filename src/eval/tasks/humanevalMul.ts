/**
 * HumanEval-Mul: HumanEval's functions in eight languages, as chat models write them; evaluation.md 5.9. DeepSeek's set is not published.
 * The nearest is MultiPL-E's translation into Java, C++, C#, JavaScript, TypeScript, PHP and Bash; Python is HumanEval itself. The figure
 * is the mean over languages; one whose tools are missing is left out, and the results say so. The words of the prompt are ours.
 *
 * MultiPL-E's tests are written to stand behind a completion that ends before the closing brace. A chat model gives the whole function, so
 * the braces that its block closes already are taken away from the tests.
 */
import { lastFencedBlock } from "../metrics/fencedBlock.js";
import { escapeRegex } from "../metrics/pythonRegex.js";
import type { Doc, ProgramLanguage, Scorer, TaskFile, TaskGroup } from "../taskFile.js";
import { chatGeneration } from "./extraction.js";
import { passMetrics } from "./humaneval.js";
import { passesAsserts } from "./programs.js";

interface Language {
  readonly language: ProgramLanguage;
  /** In the prompt. */
  readonly name: string;
  /** MultiPL-E's configuration; null: HumanEval's own. */
  readonly config: string | null;
  /** The function is a method of a class that the tests close. */
  readonly hasClass: boolean;
}

const languages: readonly Language[] = [
  { language: "python", name: "Python", config: null, hasClass: false },
  { language: "java", name: "Java", config: "humaneval-java", hasClass: true },
  { language: "cpp", name: "C++", config: "humaneval-cpp", hasClass: false },
  { language: "csharp", name: "C#", config: "humaneval-cs", hasClass: true },
  { language: "javascript", name: "JavaScript", config: "humaneval-js", hasClass: false },
  { language: "typescript", name: "TypeScript", config: "humaneval-ts", hasClass: false },
  { language: "php", name: "PHP", config: "humaneval-php", hasClass: false },
  { language: "bash", name: "Bash", config: "humaneval-sh", hasClass: false },
];

const timeoutSeconds = 15;

/** The name of the function that the last line of a prompt begins. */
function functionName(prompt: string): string {
  const header = prompt.trimEnd().split("\n").at(-1) ?? "";
  const name = /([A-Za-z_]\w*)\s*\(/.exec(header)?.[1];
  if (name === undefined) throw new RangeError(`humaneval_mul: the prompt ends without a function's header: ${header}`);
  return name;
}

/** Imports and the like that a prompt begins with and the code has left out. */
function missingPreamble(prompt: string, code: string): string {
  const lines = prompt.split("\n").filter((line) => /^\s*(?:#include|using|import|<\?php)/.test(line));
  return lines
    .filter((line) => !code.includes(line.trim()))
    .map((line) => `${line}\n`)
    .join("");
}

/**
 * Assertions that work without switches of the compiler or the runtime, and for Java the class under the name that a program's file has.
 * Both languages leave assertions out unless they are asked for.
 */
const adapted: Readonly<Partial<Record<ProgramLanguage, (source: string) => string>>> = {
  java: (source) =>
    source
      .replace(source.includes("class Problem") ? /\bclass Problem\b/ : /\bclass \w+/, "class Main")
      .replace(/^(\s*)assert\s*\((.*)\);\s*$/gm, "$1if (!($2)) throw new AssertionError();"),
  csharp: (source) =>
    source.replace(
      /^(\s*)Debug\.Assert\s*\((.*)\);\s*$/gm,
      '$1if (!($2)) throw new System.Exception("assertion failed");',
    ),
};

/** The program of MultiPL-E's tests and the code of an answer. */
export function multiplProgram(doc: Doc, code: string, hasClass: boolean): string {
  const prompt = String(doc.prompt);
  const tests = String(doc.tests);
  const name = functionName(prompt);
  // A body without its header goes on from the prompt, as a completion does.
  if (!new RegExp(`\\b${escapeRegex(name)}\\s*\\(`).test(code)) return `${prompt}${code}\n${tests}`;
  const whole = missingPreamble(prompt, code) + code.trimEnd().replace(/\?>$/, "");
  const open = hasClass ? whole.replace(/\}\s*$/, "") : whole;
  return `${open}\n${tests.replace(/^\s*\}/, "")}`;
}

/** Python: the prompt's imports and helpers, then the function anew, or its body. */
function pythonProgram(doc: Doc, code: string): string {
  return `${doc.prompt}\n${code}\n${doc.test}\ncheck(${doc.entry_point})`;
}

function scorer({ language, config, hasClass }: Language): Scorer {
  return async ({ doc, responses: [response = ""] }, { runProgram }) => {
    const code = lastFencedBlock(response)?.code ?? "";
    if (code.trim() === "") return { metrics: passMetrics([false], [1]), details: { outcome: "no code" } };
    const source = config === null ? pythonProgram(doc, code) : multiplProgram(doc, code, hasClass);
    const program = adapted[language]?.(source) ?? source;
    const { passed, outcome } = await passesAsserts(runProgram, language, program, timeoutSeconds);
    return { metrics: passMetrics([passed], [1]), details: { outcome } };
  };
}

export const humanevalMulTasks: readonly TaskFile[] = languages.map((language) => ({
  task: `humaneval_mul_${language.language}`,
  taskAlias: language.name,
  tag: ["humaneval_mul_tasks"],
  dataset:
    language.config === null
      ? { path: "openai/openai_humaneval", name: "openai_humaneval" }
      : { path: "nuprl/MultiPL-E", name: language.config },
  testSplit: "test",
  docToText: (doc) =>
    `Complete this ${language.name} function. Reply with one code block that holds everything shown here and the function's body, ` +
    `without tests and without a main program.\n\n\`\`\`${language.language}\n${String(doc.prompt).trimEnd()}\n\`\`\``,
  docToTarget: () => "",
  outputType: "generate_until",
  generationKwargs: chatGeneration,
  scorer: scorer(language),
  metricList: [{ metric: "pass@1" }],
  metadata: { version: 1 },
  format: "own",
  about: language.config === null ? "HumanEval" : "MultiPL-E",
  needs: ["sandbox"],
  language: language.language,
}));

export const humanevalMulGroups: readonly TaskGroup[] = [
  {
    group: "humaneval_mul",
    task: ["humaneval_mul_tasks"],
    aggregateMetricList: [{ metric: "pass@1", weightBySize: false }],
    metadata: { version: 1 },
    about: "eight languages",
    published: { table: "chat", metric: "pass@1", value: 82.6, key: "pass@1,none" },
  },
];
