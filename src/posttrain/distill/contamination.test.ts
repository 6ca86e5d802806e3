import { expect, test } from "vitest";
import { ContaminationIndex } from "./contamination.js";

const ten = "one two three four five six seven eight nine ten";

function index(n: number, ...texts: readonly string[]): ContaminationIndex {
  const made = new ContaminationIndex(n);
  made.add({ source: "test set", texts });
  return made;
}

test("ten words in common are found, nine are not; eight with n = 8", () => {
  const nine = "one two three four five six seven eight nine";
  expect(index(10, `before ${ten} after`).find(`So: ${ten}?`, false)).toBeNull(); // "ten?" is another word than "ten"
  expect(index(10, `before ${ten} after`).find(`So: ${ten} ?`, false)).toEqual({ ngram: ten, source: "test set" });
  expect(index(10, `before ${nine} 10 after`).find(`So: ${nine} ten ?`, false)).toBeNull();
  expect(index(9, `before ${nine} 10 after`).find(`So: ${nine} ten ?`, false)?.ngram).toBe(nine);
  const eight = "one two three four five six seven eight";
  expect(index(8, `${eight} 9`).find(`0 ${eight} nine`, false)?.ngram).toBe(eight);
  expect(index(10, `${eight} 9`).find(`0 ${eight} nine`, false)).toBeNull();
});

test("case and white space do not count, punctuation does", () => {
  const met = index(10, "One  two\nthree four FIVE six seven eight nine ten");
  expect(met.find(ten.toUpperCase(), false)?.ngram).toBe(ten);
  expect(met.find(ten.replace("five", "five,"), false)).toBeNull();
});

test("a text of fewer words is met as a whole alone", () => {
  const met = index(10, "What is 12 + 7?", `What is 12 + 8? ${ten}`);
  expect(met.find("what is 12 +  7?", false)).toEqual({ ngram: "what is 12 + 7?", source: "test set" });
  expect(met.find("What is 12 + 8?", false)).toBeNull();
  expect(met.find("", false)).toBeNull();
});

test("no run of words goes from one text of a document to the next", () => {
  const [first, second] = ["one two three four five", "six seven eight nine ten"];
  expect(index(10, first, second).find(ten, false)).toBeNull();
});

test("the first document that has the words is named", () => {
  const made = new ContaminationIndex(10);
  made.add({ source: "a", texts: ["nothing of it"] });
  made.add({ source: "b", texts: [ten] });
  made.add({ source: "c", texts: [`${ten} again`] });
  expect(made.find(ten, false)?.source).toBe("b");
  expect(made.numDocuments).toBe(3);
});

test("where no spaces are written a character is a word", () => {
  const met = index(8, "小明有三个苹果，又买了五个");
  expect(met.find("小红有三个苹果，又卖了五个", false)?.ngram).toBeUndefined(); // 有三个苹果，又: 7
  expect(met.find("老师说小明有三个苹果。", false)).toBeNull(); // 小明有三个苹果: 7
  expect(met.find("小明有三个苹果，又走了", false)?.ngram).toBe("小 明 有 三 个 苹 果 ，");
});

test("a template's problems meet each other as a whole, and all other texts by runs of words", () => {
  const words = "write a function that takes a list of whole numbers and gives";
  const made = new ContaminationIndex(10);
  made.add({ source: "held out", texts: [`${words} the largest`], isTemplate: true });
  expect(made.find(`${words} the smallest`, true)).toBeNull();
  expect(made.find(`${words} the  LARGEST`, true)?.source).toBe("held out");
  expect(made.find(`${words} the smallest`, false)?.ngram).toBe("write a function that takes a list of whole numbers");
  made.add({ source: "benchmark", texts: [words] });
  expect(made.find(`${words} the smallest`, true)?.source).toBe("benchmark");
});
