import { expect, test } from "vitest";
import { promptOf, scoresOf, taskNamed } from "../../../test/eval/tryTask.js";
import { aggregate } from "../harness/aggregate.js";

const none = { num_words: null, relation: null, keywords: null };
const doc = {
  key: 1000,
  prompt: "Write about the sea without commas, in at least 3 words.",
  instruction_id_list: ["punctuation:no_comma", "length_constraints:number_words"],
  kwargs: [none, { ...none, num_words: 3, relation: "at least" }],
};
const values = (...[a, b, c, d]: readonly (number | number[])[]): object => ({
  "prompt_level_strict_acc,none": a,
  "inst_level_strict_acc,none": b,
  "prompt_level_loose_acc,none": c,
  "inst_level_loose_acc,none": d,
});

test("the prompt is asked as it stands", () => {
  expect(promptOf("ifeval", doc).prompt).toBe("Write about the sea without commas, in at least 3 words.");
});

test("all followed, one not, one only loosely, and a row whose arguments do not fit", async () => {
  expect(await scoresOf("ifeval", doc, ["The sea is wide."])).toEqual(values(1, [1, 1], 1, [1, 1]));
  expect(await scoresOf("ifeval", doc, ["Wide sea"])).toEqual(values(0, [1, 0], 0, [1, 0]));
  expect(await scoresOf("ifeval", doc, ["Sure, here it is:\nThe sea is wide."])).toEqual(values(0, [0, 1], 1, [1, 1]));
  await expect(scoresOf("ifeval", { ...doc, kwargs: [none, none] }, ["The sea is wide."])).rejects.toThrow(
    "length_constraints:number_words: num_words must be a whole number from 0, got null",
  );
});

test("over prompts, instructions all count alike", async () => {
  const one = { ...doc, instruction_id_list: ["punctuation:no_comma"], kwargs: [none] };
  const scored = [await scoresOf("ifeval", doc, ["Wide sea"]), await scoresOf("ifeval", one, ["sea"])];
  const metric = taskNamed("ifeval").metrics.find(({ name }) => name === "inst_level_strict_acc");
  const column = scored.map((scores) => scores["inst_level_strict_acc,none"] ?? Number.NaN);
  expect(aggregate(metric?.aggregation ?? "median", column)).toBeCloseTo(2 / 3, 12);
});
