import { expect, test } from "vitest";
import { generationOf, promptOf, scoresOf, taskNamed } from "../../../test/eval/tryTask.js";
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

/** The row as lm-eval's forms see it. */
function inOneOrder(row: object): { readonly choices: readonly string[]; readonly answer: string } {
  const [first = {}] = taskNamed("gpqa_diamond_zeroshot").file.processDocs?.([{ ...doc, ...row }]) ?? [];
  return first as { choices: string[]; answer: string };
}

test("lm-eval's forms ask each question once, by letters in brackets or reasoned", () => {
  const { choices } = inOneOrder({ "Correct Answer": " Mercury  (Hg) [title] x " });
  expect([...choices].sort()).toEqual(["Gold", "Iron", "Lead", "Mercury (Hg). x"]);
  const { choices: plain } = inOneOrder({});
  const listed = plain.map((choice, i) => `(${"ABCD"[i]}) ${choice}\n`).join("");
  expect(promptOf("gpqa_diamond_zeroshot", doc)).toEqual({
    prompt: `What is the correct answer to this question:${doc.Question}\nChoices:\n${listed}Answer:`,
    continuations: [" (A)", " (B)", " (C)", " (D)"],
  });
  expect(promptOf("gpqa_diamond_cot_zeroshot", doc).prompt).toBe(
    `What is the correct answer to this question:${doc.Question}\nChoices:\n${listed}Let's think step by step: `,
  );
  const header =
    "Here are some example questions from experts. Answer the final question yourself, following the format of the previous questions exactly.\n";
  const question = `Question: ${doc.Question}\nChoices:\n${listed}`;
  expect(promptOf("gpqa_diamond_n_shot", doc).prompt).toBe(`${header}${question}Answer:`);
  expect(promptOf("gpqa_diamond_generative_n_shot", doc).prompt).toBe(`${header}${question}Answer:`);
  expect(promptOf("gpqa_diamond_cot_n_shot", doc).prompt).toBe(`${header}${question}Let's think step by step: `);
  expect(generationOf("gpqa_diamond_generative_n_shot", doc).until).toEqual(["</s>", "Question:", "<|im_end|>"]);
});

test("lm-eval's forms: right, wrong, and of no use", async () => {
  const { answer } = inOneOrder({});
  const right = "(A)(B)(C)(D)".indexOf(answer) / 3;
  const wrong = `(${"ABCD"[(right + 1) % 4]})`;
  const both = (strict: number, flexible: number) => ({
    "exact_match,strict-match": strict,
    "exact_match,flexible-extract": flexible,
  });
  const score = (text: string) => scoresOf("gpqa_diamond_cot_zeroshot", doc, [text]);
  expect(await score(`It flows. The answer is ${answer}.`)).toEqual(both(1, 1));
  expect(await score(`First ${wrong}, no: ${answer}`)).toEqual(both(0, 1));
  expect(await score(`The answer is ${wrong}.`)).toEqual(both(0, 0));
  expect(await score("I give up")).toEqual(both(0, 0));
  const likely = [0, 1, 2, 3].map((place) => (place === right ? -1 : -2));
  expect(await scoresOf("gpqa_diamond_zeroshot", doc, likely)).toEqual({ "acc,none": 1, "acc_norm,none": 1 });
});
