import { expect, test } from "vitest";
import { type ExactMatchOptions, exactMatch, normalized } from "./exactMatch.js";

/** As TriviaQA, NaturalQuestions and GSM8K have them. */
const triviaQaMatch: ExactMatchOptions = { ignoreCase: true, ignorePunctuation: true };
const naturalQuestionsMatch: ExactMatchOptions = {
  ...triviaQaMatch,
  regexesToIgnore: [/\b(?:The |the |An |A |a |an )/g],
};
const gsm8kMatch: ExactMatchOptions = { ignoreCase: true, regexesToIgnore: [/,/g, /\$/g, /.*#### /gs, /\.$/g] };

test("exact match ignores what it is told to, as in the specification, 13.8", () => {
  expect(exactMatch("The Beatles!", ["Beatles"], triviaQaMatch)).toBe(false);
  expect(exactMatch("The Beatles!", ["Beatles"], naturalQuestionsMatch)).toBe(true);
  expect(exactMatch("$1,234.", ["1234"], gsm8kMatch)).toBe(true);
  expect(exactMatch("17.", ["So it is\n3 #### 17"], gsm8kMatch)).toBe(true);
});

test("any of several gold answers is enough, and without options texts must be the same", () => {
  expect(exactMatch("the u.s.", ["UK", "The US"], triviaQaMatch)).toBe(true);
  expect(exactMatch("a", ["A"])).toBe(false);
  expect(exactMatch("a", [])).toBe(false);
});

test("regexes go first, when case still counts, and digits go last", () => {
  expect(normalized("tHE 12 Men", { ...naturalQuestionsMatch, ignoreNumbers: true })).toBe("the  men");
  expect(normalized("An 12 Men.", { ...naturalQuestionsMatch, ignoreNumbers: true })).toBe(" men");
});

test("marks of other scripts are no ASCII punctuation", () => {
  expect(exactMatch("巴黎。", ["巴黎"], triviaQaMatch)).toBe(false);
});
