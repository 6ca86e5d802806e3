import { expect, test } from "vitest";
import { promptOf, scoresOf, taskNamed } from "../../../test/eval/tryTask.js";
import { inFourOrders } from "./gpqa.js";

const doc = {
  Question: "Which metal is liquid at room temperature? ",
  "Correct Answer": "Mercury ",
  "Incorrect Answer 1": "Iron",
  "Incorrect Answer 2": "Gold",
  "Incorrect Answer 3": "Lead",
};

test("gpqa_diamond asks each question with its choices in four orders, the same in every run", () => {
  const docs = inFourOrders([doc, doc]);
  expect(docs.length).toBe(8);
  for (const { choices, answer } of docs) {
    expect([...(choices as string[])].sort()).toEqual(["Gold", "Iron", "Lead", "Mercury"]);
    expect((choices as string[])[Number(answer)]).toBe("Mercury");
  }
  expect(new Set(docs.map(({ choices }) => JSON.stringify(choices))).size).toBeGreaterThan(4);
  expect(inFourOrders([doc])).toEqual(docs.slice(0, 4));
});

test("right answers stand at every letter", () => {
  const places = inFourOrders(Array.from({ length: 50 }, () => doc)).map(({ answer }) => Number(answer));
  const counts = [0, 1, 2, 3].map((place) => places.filter((each) => each === place).length);
  // 200 draws of 1/4: 50 with a deviation of 6.1; four deviations are 24.
  for (const count of counts) expect(Math.abs(count - 50)).toBeLessThan(24);
});

test("gpqa_diamond asks as mmlu_chat does", () => {
  const [first = {}] = inFourOrders([doc]);
  const listed = (first.choices as string[]).map((choice, i) => `${"ABCD"[i]}) ${choice}`).join("\n");
  expect(promptOf("gpqa_diamond", doc).prompt).toBe(
    "Answer this multiple choice question. Reason briefly, step by step, and end with a line of the form 'Answer: $LETTER' (without the " +
      `quotes), where LETTER is one of ABCD.\n\nWhich metal is liquid at room temperature?\n\n${listed}`,
  );
  expect(taskNamed("gpqa_diamond").file.needs).toEqual(["gated"]);
});

test("a right answer, a wrong one, one without the line, and a row without its columns", async () => {
  const right = Number(inFourOrders([doc])[0]?.answer);
  const key = "exact_match,none";
  expect(await scoresOf("gpqa_diamond", doc, [`Answer: ${"ABCD"[right]}`])).toEqual({ [key]: 1 });
  expect(await scoresOf("gpqa_diamond", doc, [`Answer: ${"ABCD"[(right + 1) % 4]}`])).toEqual({ [key]: 0 });
  expect(await scoresOf("gpqa_diamond", doc, ["Mercury"])).toEqual({ [key]: 0 });
  expect(() => inFourOrders([{ Question: "x" }])).toThrow('row 0 has no text in the column "Correct Answer"');
});
