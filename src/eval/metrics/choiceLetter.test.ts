import { expect, test } from "vitest";
import {
  answerLineLetter,
  choiceLetters,
  jsonAnswerLetter,
  lastJsonObject,
  longBenchLetter,
  mmluProLetter,
} from "./choiceLetter.js";

test("choices are lettered from A, and there are at most 26", () => {
  expect(choiceLetters(4)).toBe("ABCD");
  expect(choiceLetters(10)).toBe("ABCDEFGHIJ");
  expect(() => choiceLetters(27)).toThrow("1..26 choices, got 27");
});

test("the answer line gives its letter in any case and between dollars", () => {
  expect(answerLineLetter("thus\nAnswer: B")).toBe("B");
  expect(answerLineLetter("ANSWER :\t$c$")).toBe("C");
  expect(answerLineLetter("Answer: A\nAnswer: D")).toBe("A");
  expect(answerLineLetter("The answer is B")).toBeNull();
  expect(answerLineLetter("Answer:\nB")).toBeNull();
});

test("MMLU-Pro takes the phrase, then the line, then the last letter alone, and never guesses", () => {
  expect(mmluProLetter("A or B? The answer is (J). Answer: C")).toBe("J");
  expect(mmluProLetter("the answer is G")).toBe("G");
  expect(mmluProLetter("Answer: B or answer: D\nAnswer: E")).toBe("D");
  expect(mmluProLetter("I take B, no, F!")).toBe("F");
  expect(mmluProLetter("Because Éa is nothing")).toBeNull();
  expect(mmluProLetter("the answer is (E)", "ABCD")).toBeNull();
});

test("LongBench v2 takes the phrase with or without brackets, bold or not", () => {
  expect(longBenchLetter("The correct answer is (C)")).toBe("C");
  expect(longBenchLetter("The correct answer is **D**, since")).toBe("D");
  expect(longBenchLetter("The correct answer is A. The correct answer is (B)")).toBe("B");
  expect(longBenchLetter("correct answer: A")).toBeNull();
});

test("ZeroEval takes the answer of the last JSON object, and its key where the JSON is broken", () => {
  expect(jsonAnswerLetter('{"reasoning": "x", "answer": "B"}')).toBe("B");
  expect(jsonAnswerLetter('say {"answer": "A"}\n```json\n{"reasoning": "{}", "answer": "C) six"}\n```')).toBe("C");
  expect(jsonAnswerLetter('{"reasoning": "a \n raw break", "answer": "D"}')).toBe("D");
  expect(jsonAnswerLetter('{"answer": "A", "x": {"answer": "B"}}')).toBe("A");
  expect(jsonAnswerLetter('{"reasoning": "cut off')).toBeNull();
  expect(jsonAnswerLetter('{"answer": 3}')).toBeNull();
  expect(jsonAnswerLetter('{"answer": "Because"}')).toBeNull();
  expect(jsonAnswerLetter('{"answer": "(E)"}')).toBeNull();
});

test("a long text of formulas is searched for JSON without delay", () => {
  const formulas = "\\frac{1}{2} + \\sqrt{x_{1}} ".repeat(4000);
  expect(lastJsonObject(formulas)).toBeNull();
  expect(jsonAnswerLetter(`${formulas}{"answer": "B"}`)).toBe("B");
});
