import { expect, test } from "vitest";
import { generationOf, promptOf, scoresOf, taskNamed } from "../../../test/eval/tryTask.js";
import type { ScoringTools } from "../taskFile.js";

const doc = {
  problem: "What is $\\frac{2}{4}$ in lowest terms?",
  level: "Level 1",
  type: "Prealgebra",
  solution: "We divide both by 2: $\\boxed{\\frac{1}{2}}$.",
};
const shot = { ...doc, problem: "What is $1+1$?", solution: "It is $\\boxed{2}$." };
const easy = {
  problem: "What is $1+1$?",
  solution: "$\\boxed{2}$",
  answer: "2",
  subject: "Prealgebra",
  level: 1,
  unique_id: "a",
};

/** Compares texts, and remembers what it was asked. */
function comparing(): { readonly tools: ScoringTools; readonly asked: (readonly [string, string])[] } {
  const asked: (readonly [string, string])[] = [];
  const tools: ScoringTools = {
    judge: () => Promise.reject(new Error("no judge in this test")),
    runProgram: () => Promise.reject(new Error("no programs in this test")),
    sameMath: async (gold, answer) => {
      asked.push([gold, answer]);
      return gold === answer.replace("\\dfrac", "\\frac");
    },
  };
  return { tools, asked };
}

test("minerva_math shows solutions with the closing sentence", () => {
  expect(promptOf("minerva_math_prealgebra", doc, [shot]).prompt).toBe(
    "Problem:\nWhat is $1+1$?\n\nSolution: It is $\\boxed{2}$.\nFinal Answer: The final answer is $2$. I hope it is correct.\n\n" +
      "Problem:\nWhat is $\\frac{2}{4}$ in lowest terms?\n\nSolution:",
  );
  expect(generationOf("minerva_math_prealgebra", doc)).toMatchObject({ until: ["Problem:"], temperature: 0 });
  expect(taskNamed("minerva_math_geometry").numFewshot).toBe(4);
});

test("math_500 asks for an answer in a box", () => {
  expect(promptOf("math_500", easy).prompt).toBe(
    "What is $1+1$?\n\nReason step by step, and put your final answer within \\boxed{}.",
  );
  expect(generationOf("math_500", easy)).toMatchObject({ until: [], maxGenToks: 8192, temperature: 0 });
});

test("a right answer, a wrong one, one without the phrase, and a solution without a box", async () => {
  const { tools, asked } = comparing();
  const name = "minerva_math_prealgebra";
  const key = "exact_match,none";
  const ending = (answer: string): string =>
    ` Halve.\nFinal Answer: The final answer is $${answer}$. I hope it is correct.`;
  expect(await scoresOf(name, doc, [ending("\\dfrac{1}{2}")], tools)).toEqual({ [key]: 1 });
  expect(await scoresOf(name, doc, [ending("2")], tools)).toEqual({ [key]: 0 });
  expect(asked).toEqual([
    ["\\frac{1}{2}", "\\dfrac{1}{2}"],
    ["\\frac{1}{2}", "2"],
  ]);
  // What was not found is not compared.
  expect(await scoresOf(name, doc, [" It is \\boxed{\\frac{1}{2}}."], tools)).toEqual({ [key]: 0 });
  expect(asked.length).toBe(2);
  await expect(scoresOf(name, { ...doc, solution: "Half." }, ["x"], tools)).rejects.toThrow(
    "a solution without a box: Half.",
  );
});

test("math_500 takes the last box, and says so where nothing compares formulas", async () => {
  const { tools } = comparing();
  const key = "exact_match,none";
  expect(await scoresOf("math_500", easy, ["\\boxed{1}? No, \\boxed{ 2 }."], tools)).toEqual({ [key]: 1 });
  expect(await scoresOf("math_500", easy, ["\\boxed{3}"], tools)).toEqual({ [key]: 0 });
  expect(await scoresOf("math_500", easy, ["It is 2."], tools)).toEqual({ [key]: 0 });
  await expect(scoresOf("math_500", easy, ["\\boxed{2}"])).rejects.toThrow(
    "the run has nothing that compares formulas",
  );
});

test("hendrycks_math is a bare question, and its answer is compared as a text", async () => {
  const name = "hendrycks_math_num_theory";
  const key = "exact_match,none";
  expect(promptOf(name, doc).prompt).toBe("Problem: What is $\\frac{2}{4}$ in lowest terms?\nAnswer:");
  expect(generationOf(name, doc)).toMatchObject({ until: ["Problem:"], maxGenToks: 256, temperature: 0 });
  expect(await scoresOf(name, doc, [" It is $\\dfrac12$."])).toEqual({ [key]: 1 });
  expect(await scoresOf(name, doc, [" $\\frac{2}{4}$"])).toEqual({ [key]: 0 });
  expect(await scoresOf(name, doc, [" a half"])).toEqual({ [key]: 0 });
  expect(taskNamed(name).file.dataset?.name).toBe("number_theory");
});

test("the selection of 500 is asked in lm-eval's two forms too, one with problems of algebra as shots", async () => {
  expect(promptOf("hendrycks_math500", easy).prompt).toBe("Problem: What is $1+1$?\nAnswer:");
  expect(promptOf("minerva_math500", easy).prompt).toBe("Problem:\nWhat is $1+1$?\n\nSolution:");
  const { fewshotConfig, fewshotSplit } = taskNamed("minerva_math500").file;
  expect([fewshotConfig?.dataset, fewshotSplit]).toEqual([
    { path: "EleutherAI/hendrycks_math", name: "algebra" },
    "train",
  ]);
  expect(await scoresOf("hendrycks_math500", easy, [" $2$"])).toEqual({ "exact_match,none": 1 });
});
