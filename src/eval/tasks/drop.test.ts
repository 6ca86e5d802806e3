import { expect, test } from "vitest";
import { generationOf, promptOf, scoresOf, taskNamed } from "../../../test/eval/tryTask.js";
import { annotationsOf } from "./drop.js";

const noDate = { day: "", month: "", year: "" };
const number = (value: string): unknown => ({ number: value, date: noDate, spans: [] });
const doc = {
  section_id: "s1",
  query_id: "q1",
  passage: "The Owls threw 3 passes for 21 and 12 yards.",
  question: "How many yards were thrown in all?",
  answer: number("33"),
  // As Parquet keeps a sequence of structures.
  validated_answers: { number: ["33", ""], date: [noDate, noDate], spans: [[], ["33 yards"]] },
};
const shot = {
  ...doc,
  passage: "Foxes and Hares won.",
  question: "Who won?",
  answer: { number: "", date: noDate, spans: ["Foxes", "Hares"] },
  validated_answers: [],
};
const dated = {
  ...shot,
  question: "When?",
  answer: { number: "", date: { ...noDate, month: "May", year: "1999" }, spans: [] },
};

test("drop shows passage and question, and shots with their first answer", () => {
  expect(promptOf("drop", doc, [shot]).prompt).toBe(
    "Foxes and Hares won. Who won? Foxes,Hares\n\nThe Owls threw 3 passes for 21 and 12 yards. How many yards were thrown in all?",
  );
  expect(generationOf("drop", doc)).toMatchObject({ until: ["."], temperature: 0 });
  expect(taskNamed("drop").numFewshot).toBe(3);
});

test("drop_hint says which kind of answer is wanted", () => {
  expect(promptOf("drop_hint", doc, [shot, dated]).prompt).toBe(
    "Passage: Foxes and Hares won.\nAnswer the question from the passage. The answer is a span.\nQuestion: Who won?\n" +
      "So according to above Passage, the answer is Foxes, Hares.\n\n" +
      "Passage: Foxes and Hares won.\nAnswer the question from the passage. The answer is a date.\nQuestion: When?\n" +
      "So according to above Passage, the answer is May 1999.\n\n" +
      "Passage: The Owls threw 3 passes for 21 and 12 yards.\nAnswer the question from the passage. The answer is a number.\n" +
      "Question: How many yards were thrown in all?\nSo according to above Passage, the answer is",
  );
});

test("drop_chat asks for a line with the answer", () => {
  expect(promptOf("drop_chat", doc, [shot]).prompt).toBe(
    "You will read a passage and a question. Examples come first. Think step by step, then write your answer on the " +
      'last line in the form "Answer: ...", where the dots stand for the answer alone.\n\n' +
      "Passage: Foxes and Hares won.\nQuestion: Who won?\nAnswer: Foxes, Hares\n\n" +
      "Passage: The Owls threw 3 passes for 21 and 12 yards.\nQuestion: How many yards were thrown in all?\n",
  );
});

test("annotations come as a list or column by column", () => {
  const list = annotationsOf({
    ...doc,
    validated_answers: [number("33"), { number: "", date: noDate, spans: ["33 yards"] }],
  });
  expect(annotationsOf(doc)).toEqual(list);
  expect(annotationsOf(shot).length).toBe(1);
});

test("a right answer, a near one, a wrong one, and a row without an answer", async () => {
  expect(await scoresOf("drop", doc, [" 33 yards"])).toEqual({ "em,none": 1, "f1,none": 1 });
  // Against "33 yards": {about, 33.0, yards} has P 2/3, R 1, so 0.8.
  expect(await scoresOf("drop", doc, ["about 33 yards"])).toEqual({ "em,none": 0, "f1,none": 0.8 });
  expect(await scoresOf("drop", doc, ["21"])).toEqual({ "em,none": 0, "f1,none": 0 });
  expect(await scoresOf("drop_hint", doc, [" 33."])).toEqual({ "em,none": 1, "f1,none": 1 });
  expect(await scoresOf("drop", shot, ["Foxes, Hares"])).toEqual({ "em,none": 0, "f1,none": 0.33 });
  expect(await scoresOf("drop_chat", shot, ["Both won.\n\nanswer: Foxes, Hares\n"])).toEqual({
    "em,none": 1,
    "f1,none": 1,
  });
  expect(await scoresOf("drop_chat", doc, ["It is 33."])).toEqual({ "em,none": 0, "f1,none": 0 });
  const empty = { ...doc, answer: number(""), validated_answers: [] };
  await expect(scoresOf("drop", empty, ["33"])).rejects.toThrow("drop: a row without an answer: How many yards");
});
