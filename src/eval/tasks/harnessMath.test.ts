import { expect, test } from "vitest";
import { agievalAnswer, betweenDollars, boxOrDollars, textScorer } from "./harnessMath.js";

const tools = {
  judge: () => Promise.reject(new Error("no judge in this test")),
  runProgram: () => Promise.reject(new Error("no programs in this test")),
};

test("from the first dollar sign to the last, else everything", () => {
  expect([" It is $7$.", "$7$ or $8$", "costs $7", "7", "$$"].map(betweenDollars)).toEqual([
    "7",
    "7$ or $8",
    "costs $7",
    "7",
    "",
  ]);
});

test("a box wins over dollars, unless it is not closed", () => {
  expect(["$8$, \\boxed{7}", "$8$", "8", "$8$ \\boxed{7"].map(boxOrDollars)).toEqual(["7", "8", "8", "8"]);
});

test("AGIEval: a box, dollars, an equation, a number, or nothing", () => {
  expect(agievalAnswer("$8$ so \\boxed{x = 7}")).toBe("7");
  expect(agievalAnswer("\\boxed{7")).toBeNull();
  expect(agievalAnswer("$1$\n$x = 8$")).toBe("8");
  expect(agievalAnswer("x = 3.")).toBe("3");
  expect(agievalAnswer("of 12 eggs 3.5 and $4")).toBe("$4");
  expect(agievalAnswer("7cm")).toBeNull();
  expect(agievalAnswer("no idea")).toBeNull();
});

test("texts are compared after MATH's normaliser, and nothing equals nothing", async () => {
  const score = textScorer("acc", agievalAnswer, agievalAnswer);
  const acc = async (target: string, response: string): Promise<unknown> =>
    (await score({ doc: {}, target, responses: [response], filter: "none" }, tools)).metrics.acc;
  expect(await acc("$\\frac{1}{2}$", "$\\dfrac12$")).toBe(1);
  expect(await acc("$\\frac{1}{2}$", "$\\frac{2}{4}$")).toBe(0);
  expect(await acc("\\pi", "no idea")).toBe(0);
});
