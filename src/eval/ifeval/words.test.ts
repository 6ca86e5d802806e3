import { expect, test } from "vitest";
import { capitalWords } from "./words.js";

/** Text, and how many tokens NLTK 3.10's word tokenizer gives that are in all capitals. */
const asNltk: readonly (readonly [string, number])[] = [
  ["HELLO WORLD, this is NASA.", 3],
  ["DON'T stop! I CAN'T and WON'T.", 7],
  ["A STATE-OF-THE-ART thing (TM) at AT&T", 5],
  ["It's JOHN'S \"BIG\" day: A1, B2; 100 USD", 6],
  ["CANNOT GONNA gonna", 4],
  ["I said: 'STOP' and U.S. or U.S.A. WAIT...NOW -- GO--ON", 8],
  ["**IMPORTANT** NOTE: #TAG @ME 50% OFF", 5],
  ["ÉCOLE Über ΑΒΓ Привет МИР", 3],
  ["THEY'LL WE'RE YOU'VE I'M", 8],
  ["well, NO?YES!MAYBE end", 3],
  ["RATIO 1:2 A:B A,B 1,000 X/Y", 6],
  ["“QUOTED” ‘SO’ it’s IT’S", 4],
];

test("capital words are counted as over NLTK's tokens", () => {
  expect(asNltk.map(([text]) => [text, capitalWords(text).length])).toEqual(asNltk);
});
