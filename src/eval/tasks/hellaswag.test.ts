import { expect, test } from "vitest";
import { promptOf, scoresOf } from "../../../test/eval/tryTask.js";
import { cleanText } from "./hellaswag.js";

const doc = {
  activity_label: "Making tea",
  ctx_a: "A kettle stands on a stove.",
  ctx_b: "the WATER",
  ctx: "[header] How to make tea [title] Boil water. the WATER",
  endings: ["boils  at last.", "[substeps] sings.", "runs [away] now.", "x"],
  label: "0",
};

test("cleanText turns titles into sentences and drops other brackets", () => {
  expect(cleanText(" [header] How to make tea [title] Boil  water. [step] ")).toBe(" How to make tea. Boil water. ");
});

test("hellaswag asks with the activity's name, its second part capitalised", () => {
  expect(promptOf("hellaswag", doc)).toEqual({
    prompt: "Making tea: A kettle stands on a stove. The water",
    continuations: [" boils at last.", "  sings.", " runs now.", " x"],
  });
  expect(promptOf("hellaswag_plain", doc).prompt).toBe(" How to make tea. Boil water. the WATER");
});

test("a shot is the context with its right ending", () => {
  const shot = { ...doc, activity_label: "Resting", ctx_a: "They", ctx_b: "sit", label: "3" };
  expect(promptOf("hellaswag", doc, [shot]).prompt).toBe(
    "Resting: They Sit x\n\nMaking tea: A kettle stands on a stove. The water",
  );
});

test("a right answer, a wrong one, one that length decides, and a row without a label", async () => {
  expect(await scoresOf("hellaswag", doc, [-5, -9, -9, -9])).toEqual({ "acc,none": 1, "acc_norm,none": 1 });
  expect(await scoresOf("hellaswag", doc, [-50, -9, -9, -9])).toEqual({ "acc,none": 0, "acc_norm,none": 0 });
  // 14, 7, 9 and 1 characters: -7/14, -4/7, -9/9, -3/1.
  expect(await scoresOf("hellaswag", doc, [-7, -4, -9, -3])).toEqual({ "acc,none": 0, "acc_norm,none": 1 });
  await expect(scoresOf("hellaswag", { ...doc, label: "4" }, [-1, -1, -1, -1])).rejects.toThrow(
    "the answer 4 is none of the 4 choices",
  );
});
