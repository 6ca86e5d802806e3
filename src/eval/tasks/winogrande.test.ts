import { expect, test } from "vitest";
import { contextsOf, promptOf, scoresOf, taskNamed } from "../../../test/eval/tryTask.js";

const doc = {
  sentence: "The box did not fit into the car because the _ was too large.",
  option1: "box",
  option2: "car",
  answer: "1",
};
const shot = {
  sentence: "The fox thanked the owl since the _ had helped.",
  option1: "fox",
  option2: "owl",
  answer: "2",
};

test("both options stand in the context, and the rest of the sentence goes on", () => {
  expect(contextsOf("winogrande", doc)).toEqual([
    "The box did not fit into the car because the box",
    "The box did not fit into the car because the car",
  ]);
  expect(promptOf("winogrande", doc).continuations).toEqual([" was too large.", " was too large."]);
  expect(taskNamed("winogrande").numFewshot).toBe(5);
});

test("a shot is the sentence with the right option", () => {
  expect(promptOf("winogrande", doc, [shot]).prompt).toBe(
    "The fox thanked the owl since the owl had helped.\n\nThe box did not fit into the car because the box",
  );
});

test("a right answer, a wrong one, and rows that do not fit", async () => {
  expect(await scoresOf("winogrande", doc, [-3, -4])).toEqual({ "acc,none": 1 });
  expect(await scoresOf("winogrande", doc, [-4, -3])).toEqual({ "acc,none": 0 });
  await expect(scoresOf("winogrande", { ...doc, answer: "" }, [-1, -1])).rejects.toThrow("-1 is none of the 2 choices");
  await expect(scoresOf("winogrande", { ...doc, sentence: "No gap." }, [-1, -1])).rejects.toThrow("has no gap");
});
