import { expect, test } from "vitest";
import { countSentences } from "./sentences.js";

test("sentences end at marks before white space, and abbreviations end none", () => {
  const counts: readonly (readonly [string, number])[] = [
    ["", 0],
    ["  \n", 0],
    ["One", 1],
    ["One. Two! Three? Four", 4],
    ["Really?! Yes.", 2],
    ["It costs 3.50 dollars. See example.com now.", 2],
    ['He said "Go." Then he left.', 2],
    ["(It rained.) We stayed. *Twice.* Done.", 4],
    ["Mr. Fox met Dr. Owl at St. Mary. They talked.", 2],
    ["We have apples, pears, etc. The rest is gone.", 2],
    ["It opens at 9 a.m. on Sundays.", 1],
    ["She lives in the U.S. He does not.", 2],
    ["The U.S. Congress met.", 1],
    ["L. N. Tolstoy wrote it. So do I. The end.", 3],
    ["Wait... what? Well... No.", 3],
    ["lower case. goes on. like this.", 3],
    ["Use tools, e.g. a saw. Then rest.", 2],
    ["A heading\nwithout a mark\n\nbelongs to the next. Yes.", 2],
    ["Acme Inc. sells boats on Oct. 3 and later.", 1],
    ["See No. 5. I said no. Then I left.", 3],
    ["1. Wash it.\n2. Dry it.", 4],
    ["It began in 1990. then more came.", 1],
    ["今天下雨。我们在家！好吗？", 3],
    ["यह एक है। वह दो है।", 2],
    ["هل هذا صحيح؟ نعم.", 2],
  ];
  expect(counts.map(([text]) => [text, countSentences(text)])).toEqual(counts);
});
