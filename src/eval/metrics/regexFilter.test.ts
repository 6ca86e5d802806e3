import { expect, test } from "vitest";
import { exactMatch, gsm8kMatch } from "./exactMatch.js";
import {
  applyRegexFilter,
  bbhAnswer,
  gsm8kCotStrict,
  gsm8kStrict,
  invalidAnswer,
  lastNumber,
  mgsmStrict,
} from "./regexFilter.js";

test("GSM8K's strict and flexible filters cut as in the specification, 13.8", () => {
  expect(applyRegexFilter("6 + 1 is\n#### 7", gsm8kStrict)).toBe("7");
  const flexible = applyRegexFilter("there are 3 and in total 17.", lastNumber);
  expect(flexible).toBe("17.");
  expect(exactMatch(flexible, ["17"], gsm8kMatch)).toBe(true);
});

test("an answer without the phrase is invalid to the strict filter and a number to the flexible one", () => {
  expect(applyRegexFilter("It is \\boxed{12}", gsm8kStrict)).toBe(invalidAnswer);
  expect(applyRegexFilter("It is \\boxed{12}", lastNumber)).toBe("12");
  expect(applyRegexFilter("no number", lastNumber)).toBe(invalidAnswer);
});

test("the strict filters take the first phrase, the flexible one the last number", () => {
  expect(applyRegexFilter("The answer is 1. The answer is 2.", gsm8kCotStrict)).toBe("1");
  expect(applyRegexFilter("The answer is -1,250.50. Next: 9", gsm8kCotStrict)).toBe("-1,250.50");
  expect(applyRegexFilter("first 12, then -3", lastNumber)).toBe("-3");
});

test("BBH's filter drops the point that ends the line", () => {
  expect(applyRegexFilter("Thus, the answer is (A).\nQ: next", bbhAnswer)).toBe("(A)");
  expect(applyRegexFilter("So the answer is valid", bbhAnswer)).toBe("vali"); // as the reference does, without a point
  expect(applyRegexFilter("The answer is 4.", bbhAnswer)).toBe(invalidAnswer); // case counts
});

test("MGSM's strict filters know the phrase of each language", () => {
  const endings = {
    bn: "উত্তর হল 11।",
    de: "Die Antwort lautet 11.",
    en: "The answer is 11.",
    es: "La respuesta es 11.",
    fr: "La réponse est 11.",
    ja: "答えは11です。",
    ru: "Ответ — 11.",
    sw: "Jibu ni 11.",
    te: "సమాధానం 11.",
    th: "คำตอบคือ 11",
    zh: "答案是 11。",
  };
  for (const language of Object.keys(mgsmStrict) as (keyof typeof endings)[]) {
    const found = applyRegexFilter(`5 + 6 = 11. ${endings[language]}`, mgsmStrict[language]);
    expect([language, exactMatch(found, ["11"], gsm8kMatch)]).toEqual([language, true]);
  }
});
