/**
 * Small functions to write in Python or JavaScript, with tests. Nothing is run here: `codeTrial` gives what a sandbox needs. Both families hold
 * the same problems out, so that a model taught in one language has not read the other's held-out ones.
 */
import { lastFence } from "./answers.js";
import { branch, chain, changeSome, keepAndChange, loop, reduce, texts } from "./codeKinds.js";
import type { Language } from "./codeParts.js";
import { titles } from "./codeTask.js";
import type { Family, Json, Problem } from "./problem.js";

export const codePython = codeFamily("python");
export const codeJavascript = codeFamily("javascript");

/** A program to run, the calls to make, and what they must give. */
export interface CodeTrial {
  readonly language: Language;
  readonly program: string;
  readonly calls: readonly string[];
  readonly expected: readonly Json[];
}

/**
 * What running must show of a response; null if there is no program in it, which is a wrong answer.
 * @throws RangeError for a problem without tests
 */
export function codeTrial({ id, tests }: Problem, response: string): CodeTrial | null {
  if (tests === undefined) throw new RangeError(`${id}: has no tests to run; use check`);
  const program = lastFence(response);
  if (program === null) return null;
  const { language, cases } = tests;
  return { language, program, calls: cases.map(({ call }) => call), expected: cases.map(({ expected }) => expected) };
}

function codeFamily(language: Language): Family {
  return {
    about: `small functions in ${titles[language]}, judged by their tests`,
    splitKey: "code",
    levels: [
      { about: "one number: two cases; two steps", kinds: [branch(language), chain(language)] },
      {
        about: "a list to a list; a text to a text",
        kinds: [keepAndChange(language), changeSome(language), texts(language)],
      },
      { about: "a list to a number; a loop with two cases", kinds: [reduce(language), loop(language)] },
    ],
    close: (program) => `\`\`\`${language}\n${program}\n\`\`\``,
    check: (problem) => {
      throw new RangeError(`${problem.id}: only running a program can judge it; use codeTrial and a sandbox`);
    },
  };
}
