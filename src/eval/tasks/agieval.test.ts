import { expect, test } from "vitest";
import { generationOf, promptOf, scoresOf } from "../../../test/eval/tryTask.js";
import { agievalGroups, agievalTasks, answeredFormula, answeredLetters } from "./agieval.js";

const doc = {
  query: "Q: What is 2 + 2? Answer Choices: (A)3 (B)4 (C)5 (D)22 (E)0\nA: Among A through E, the answer is",
  choices: ["(A)3", "(B)4", "(C)5", "(D)22", "(E)0"],
  gold: [1],
};
const several = {
  query: "问题：下列哪些是偶数？ 选项：(A)2 (B)3 (C)4 (D)5\n答案：从A到D, 我们应选择",
  choices: ["(A)2", "(B)3", "(C)4", "(D)5"],
  gold: [0, 2],
};
const formula = { query: "Q: What is half of one?\nA: The answer is", answer: "\\frac{1}{2}" };

test("the query is asked as it stands, and choices are scored in full", () => {
  expect(promptOf("agieval_aqua_rat", doc)).toEqual({
    prompt: "Q: What is 2 + 2? Answer Choices: (A)3 (B)4 (C)5 (D)22 (E)0\nA: Among A through E, the answer is",
    continuations: [" (A)3", " (B)4", " (C)5", " (D)22", " (E)0"],
  });
  expect(promptOf("agieval_gen_jec_qa_ca", several).prompt).toBe(
    "问题：下列哪些是偶数？ 选项：(A)2 (B)3 (C)4 (D)5\n答案：从A到D, 我们应选择",
  );
  expect(agievalTasks.filter(({ tag }) => tag?.includes("agieval_gen_tasks")).length).toBe(21);
});

test("letters are those that stand alone, the first or all of the first line", () => {
  expect(
    [" B.", "(C)", " A or B", "AC", "the answer: D\nA", "Because", ""].map((text) => answeredLetters(text, false)),
  ).toEqual([...["B", "C", "A", "A", "D"], null, null]);
  expect([" A、C", "CA", "(A)(C)(A)\nB"].map((text) => answeredLetters(text, true))).toEqual(["AC", "AC", "AC"]);
});

test("a formula is the last box, else the first line", () => {
  expect([" $\\frac{1}{2}$.", " x\n\\boxed{2}", " 5。\nmore", "\n"].map(answeredFormula)).toEqual([
    "\\frac{1}{2}",
    "2",
    "5",
    null,
  ]);
});

test("right answers, wrong ones, ones without a letter, and rows without a key", async () => {
  const key = "exact_match,none";
  expect(await scoresOf("agieval_aqua_rat", doc, [-9, -2, -3, -4, -5])).toEqual({ "acc,none": 1, "acc_norm,none": 1 });
  expect(await scoresOf("agieval_gen_aqua_rat", doc, [" B."])).toEqual({ [key]: 1 });
  expect(await scoresOf("agieval_gen_aqua_rat", doc, [" C"])).toEqual({ [key]: 0 });
  expect(await scoresOf("agieval_gen_aqua_rat", doc, [" four"])).toEqual({ [key]: 0 });
  expect(await scoresOf("agieval_gen_jec_qa_ca", several, ["AC"])).toEqual({ [key]: 1 });
  expect(await scoresOf("agieval_gen_jec_qa_ca", several, ["A"])).toEqual({ [key]: 0 });
  // Of several right choices any will do where one is taken by likelihood.
  expect(await scoresOf("agieval_jec_qa_ca", several, [-9, -5, -2, -4])).toMatchObject({ "acc,none": 1 });
  await expect(scoresOf("agieval_gen_aqua_rat", { ...doc, gold: [] }, ["B"])).rejects.toThrow(
    "gold must be a list of indices, got []",
  );
  await expect(scoresOf("agieval_gen_aqua_rat", { ...doc, gold: [7] }, ["B"])).rejects.toThrow(
    "gold 7 is none of the 5 choices",
  );
});

test("formulas are compared as such", async () => {
  const tools = {
    judge: () => Promise.reject(new Error("no judge in this test")),
    runProgram: () => Promise.reject(new Error("no programs in this test")),
    sameMath: (gold: string, answer: string) => gold === answer,
  };
  const key = "exact_match,none";
  expect(await scoresOf("agieval_gen_math", formula, [" $\\frac{1}{2}$."], tools)).toEqual({ [key]: 1 });
  expect(await scoresOf("agieval_gen_gaokao_mathcloze", formula, [" 2"], tools)).toEqual({ [key]: 0 });
  expect(await scoresOf("agieval_gen_math", formula, [" "], tools)).toEqual({ [key]: 0 });
  await expect(scoresOf("agieval_gen_math", formula, [" 2"])).rejects.toThrow("nothing that compares formulas");
});

test("agieval_math is lm-eval's: a short answer, compared as a text", async () => {
  expect(promptOf("agieval_math", formula).prompt).toBe(formula.query);
  expect(generationOf("agieval_math", formula)).toMatchObject({ until: ["Q:"], maxGenToks: 32 });
  const dollars = { ...formula, answer: "$\\frac{1}{2}$" };
  expect(await scoresOf("agieval_math", dollars, [" $\\frac12$."])).toEqual({ "acc,none": 1 });
  expect(await scoresOf("agieval_math", dollars, [" 2"])).toEqual({ "acc,none": 0 });
  expect(await scoresOf("agieval_math", dollars, [" a half"])).toEqual({ "acc,none": 0 });
  const group = agievalGroups.find((each) => each.group === "agieval");
  expect(agievalTasks.filter(({ tag = [] }) => tag.some((each) => group?.task.includes(each))).length).toBe(21);
  const parts = ["agieval_en", "agieval_cn"].map((name) => agievalGroups.find((each) => each.group === name)?.task);
  expect(parts.map((names) => names?.length)).toEqual([10, 11]);
});
