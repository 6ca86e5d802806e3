import { expect, test } from "vitest";
import { check, problemAt } from "./families.js";

const ordinals = ["first", "second", "third", "fourth", "fifth", "sixth"];

/** What a question asks for, read from its words, letter by letter. */
function answerOf(prompt: string): string {
  const [text = "", ...others] = [...prompt.matchAll(/"([^"]*)"/g)].map(([, quoted]) => quoted ?? "");
  const words = prompt.replace(/"[^"]*"/g, "Q");
  const all = (): string[] => text.split(" ");
  if (/^(Reverse the word Q|Write Q backwards)\.$|^What is Q read from right to left\?$/.test(words)) {
    let result = "";
    for (let i = text.length - 1; i >= 0; i--) result += text[i];
    return result;
  }
  if (/alphabetical order|order of the alphabet/.test(words)) {
    return Array.from("abcdefghijklmnopqrstuvwxyz", (letter) => letter.repeat(text.split(letter).length - 1)).join("");
  }
  if (/vowel/.test(words)) return Array.from(text, (letter) => ("aeiou".indexOf(letter) < 0 ? letter : "")).join("");
  const swap = (from: string | undefined, within: string | undefined, to: string | undefined): string =>
    Array.from(within ?? "", (letter) => (letter === from ? to : letter)).join("");
  if (/^Replace every Q in Q with Q\.$/.test(words)) return swap(text, others[0], others[1]);
  if (/^In Q, change each Q to Q\.$/.test(words)) return swap(others[0], text, others[1]);
  if (/^Write Q with Q in place of every Q\.$/.test(words)) return swap(others[1], text, others[0]);
  if (/Capitalise|capital/.test(words)) return text.replace(/(^| )[a-z]/g, (start) => start.toUpperCase());
  if (/last letter/.test(words)) return (`${text} `.match(/[a-z] /g) ?? []).join("").replaceAll(" ", "");
  if (/order of the words|from the last to the first/.test(words)) {
    return all().reduce((result, word) => (result === "" ? word : `${word} ${result}`), "");
  }
  const [, ordinal] = /\bthe (\w+)( word of Q| in Q)[?.]$/.exec(words) ?? [];
  if (ordinal !== undefined) return all()[ordinals.indexOf(ordinal)] ?? "none";
  if (
    /^How many times does the letter Q occur in Q\?$|^Count the letter Q in Q\.$|^How often is there a Q in Q\?$/.test(
      words,
    )
  ) {
    return String(Array.from(others[0] ?? "").filter((letter) => letter === text).length);
  }
  throw new Error(`cannot read ${prompt}`);
}

test("the answer is what the words of the question ask for", () => {
  const kinds = new Set<string>();
  for (const split of ["train", "heldout"] as const) {
    for (let i = 0; i < 1000; i++) {
      const problem = problemAt("strings", split, 3, i);
      expect(problem.answer, problem.prompt).toBe(answerOf(problem.prompt));
      kinds.add(problem.id.split("/")[2] ?? "");
    }
  }
  expect(kinds.size).toBe(9);
});

test("texts are compared with their case, counts as numbers", () => {
  const problem = { ...problemAt("strings", "train", 1, 0), answer: "Moon Lake" };
  expect(check(problem, "\\boxed{Moon Lake}")).toBe(true);
  expect(check(problem, "\\boxed{\\text{Moon Lake}}")).toBe(true);
  expect(check(problem, "\\boxed{moon lake}")).toBe(false);
  expect(check({ ...problem, answer: "3" }, "\\boxed{03}")).toBe(true);
  expect(check({ ...problem, answer: "3" }, "\\boxed{three}")).toBe(false);
});
