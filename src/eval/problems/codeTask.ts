/** From a function to be written to a problem: statement, examples, reference program, a program with a slip, tests. */
import type { Language } from "./codeParts.js";
import type { CodeTests, Draft, Json } from "./problem.js";
import type { Wording } from "./wording.js";

export const titles: Readonly<Record<Language, string>> = { python: "Python", javascript: "JavaScript" };

/** A function as the problem wants it, or with a slip in it. */
export interface Version<T extends Json> {
  readonly run: (given: T) => Json;
  /** Lines of the body. */
  readonly body: readonly string[];
}

export interface Task<T extends Json> {
  readonly language: Language;
  readonly parameter: string;
  /** What the function gets and returns; the sentence before names it. */
  readonly statement: string;
  /** What it does, as a short sentence before the program. */
  readonly summary: string;
  readonly right: Version<T>;
  /** Slips, the likeliest first. */
  readonly wrong: readonly Version<T>[];
  /** The first two are shown in the prompt. */
  readonly inputs: readonly T[];
  /** How the result comes about, for the thought. */
  readonly trace: (given: T) => string;
}

export function codeDraft<T extends Json>(task: Task<T>, wording: Wording): Draft {
  const { language, parameter, statement, summary, right, inputs, trace } = task;
  const entry = wording.phrasing === "plain" ? "solve" : wording.pick("solve", "compute", "convert", "transform");
  const program = (body: readonly string[]): string =>
    (language === "python"
      ? [`def ${entry}(${parameter}):`, ...body.map((line) => `    ${line}`)]
      : [`function ${entry}(${parameter}) {`, ...body.map((line) => `  ${line}`), "}"]
    ).join("\n");
  const call = (given: T): string => `${entry}(${literal(given)})`;
  const cases = inputs.map((given) => ({ call: call(given), expected: right.run(given) }));
  const fails = (version: Version<T>): boolean =>
    inputs.some((given) => JSON.stringify(version.run(given)) !== JSON.stringify(right.run(given)));
  const slip = task.wrong.find(fails);
  if (!slip) throw new Error(`internal: code: no slip fails a test of: ${statement}`);
  const tests: CodeTests = { language, entry, cases };
  const [first, second] = inputs;
  const shown = [first, second].filter((given) => given !== undefined);
  const lines = right.body.map((line) => line.trim()).filter((line) => line !== "}");
  const ask = wording.ask(
    `Write a ${titles[language]} function \`${entry}(${parameter})\`.`,
    `In ${titles[language]}, write the function \`${entry}(${parameter})\`.`,
    `Implement \`${entry}(${parameter})\` in ${titles[language]}.`,
  );
  const examples = shown.map((given) => `\`${call(given)}\` is \`${literal(right.run(given))}\``).join(", ");
  return {
    prompt: `${ask} ${statement} Examples: ${examples}.`,
    answer: program(right.body),
    work: [summary],
    thought: [
      `${wording.pick("The function gets", "What comes in is", "Given is")} \`${parameter}\`. ${statement}`,
      wording.pick("Let me try the examples first.", "By hand, to be sure what is meant:"),
      ...shown.map((given) => `${call(given)}: ${trace(given)}, so ${literal(right.run(given))}, as given.`),
      `In ${titles[language]}: ${lines.map((line) => `\`${line}\``).join(", then ")}.`,
      wording.pick("What else can come?", "Let me check cases that the examples do not show.", "Further cases:"),
      ...inputs.slice(2, 4).map((given) => `${call(given)}: ${trace(given)}, so ${literal(right.run(given))}.`),
      wording.pick("The program does all of that.", "That is what these lines do."),
    ],
    slip: { work: [summary], answer: program(slip.body) },
    tests,
  };
}

/** A value as both languages write it. */
export function literal(value: Json): string {
  return Array.isArray(value) ? `[${value.map(literal).join(", ")}]` : JSON.stringify(value);
}
