import { expect, test } from "vitest";
import { ContaminationIndex, type Meeting } from "./contamination.js";

const ten = "one two three four five six seven eight nine ten";

/** What a text meets in documents of some texts. */
function met(n: number, texts: readonly string[], text: string, isTemplate = false): Meeting | null {
  const index = new ContaminationIndex(n);
  index.add(0, text, isTemplate);
  index.pass({ source: "test set", texts });
  return index.meetingOf(0);
}

test("ten words in common are found, nine are not; eight with n = 8", () => {
  const nine = "one two three four five six seven eight nine";
  expect(met(10, [`before ${ten} after`], `So: ${ten}?`)).toBeNull(); // "ten?" is another word than "ten"
  expect(met(10, [`before ${ten} after`], `So: ${ten} ?`)).toEqual({ ngram: ten, source: "test set" });
  expect(met(10, [`before ${nine} 10 after`], `So: ${nine} ten ?`)).toBeNull();
  expect(met(9, [`before ${nine} 10 after`], `So: ${nine} ten ?`)?.ngram).toBe(nine);
  const eight = "one two three four five six seven eight";
  expect(met(8, [`${eight} 9`], `0 ${eight} nine`)?.ngram).toBe(eight);
  expect(met(10, [`${eight} 9`], `0 ${eight} nine`)).toBeNull();
});

test("case and white space do not count, punctuation does", () => {
  const text = "One  two\nthree four FIVE six seven eight nine ten";
  expect(met(10, [text], ten.toUpperCase())?.ngram).toBe(ten);
  expect(met(10, [text], ten.replace("five", "five,"))).toBeNull();
});

test("a text of fewer words is met as a whole alone", () => {
  const texts = ["What is 12 + 7?", `What is 12 + 8? ${ten}`, ""];
  expect(met(10, texts, "what is 12 +  7?")).toEqual({ ngram: "what is 12 + 7?", source: "test set" });
  expect(met(10, texts, "What is 12 + 8?")).toBeNull();
  expect(met(10, texts, "")).toBeNull();
});

test("no run of words goes from one text of a document to the next", () => {
  const [first, second] = ["one two three four five", "six seven eight nine ten"];
  expect(met(10, [first, second], ten)).toBeNull();
});

test("the first document that has the words is named, to every prompt that has them", () => {
  const index = new ContaminationIndex(10);
  const prompts = [ten, "nothing of it", `So ${ten}`, `${ten} again`];
  for (const [i, prompt] of prompts.entries()) index.add(i, prompt, false);
  index.pass({ source: "a", texts: ["no word of it"] });
  index.pass({ source: "b", texts: ["", `${ten} again`] });
  index.pass({ source: "c", texts: [ten, `So ${ten}`] });
  expect(prompts.map((_, i) => index.meetingOf(i)?.source)).toEqual(["b", undefined, "b", "b"]);
  expect(index.numDocuments).toBe(3);
});

test("where no spaces are written a character is a word", () => {
  const texts = ["小明有三个苹果，又买了五个"];
  expect(met(8, texts, "小红有三个苹果，又卖了五个")).toBeNull(); // 有三个苹果，又: 7
  expect(met(8, texts, "老师说小明有三个苹果。")).toBeNull(); // 小明有三个苹果: 7
  expect(met(8, texts, "小明有三个苹果，又走了")?.ngram).toBe("小 明 有 三 个 苹 果 ，");
});

test("a template's problems meet each other as a whole, and all other texts by runs of words", () => {
  const words = "write a function that takes a list of whole numbers and gives";
  const index = new ContaminationIndex(10);
  index.add(0, `${words} the smallest`, true);
  index.add(1, `${words} the  LARGEST`, true);
  index.add(2, `${words} the smallest`, false);
  index.pass({ source: "held out", texts: [`${words} the largest`], isTemplate: true });
  expect([0, 1, 2].map((i) => index.meetingOf(i)?.source)).toEqual([undefined, "held out", "held out"]);
  expect(index.meetingOf(1)?.ngram).toBe(`${words} the largest`);
  expect(index.meetingOf(2)?.ngram).toBe("write a function that takes a list of whole numbers");
  index.pass({ source: "benchmark", texts: [words] });
  expect(index.meetingOf(0)?.source).toBe("benchmark");
});
