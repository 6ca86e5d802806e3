/**
 * The letter that an answer chooses, found in the ways of the benchmarks that ask for one. Evaluation specification, 3.5 (MMLU-Pro), 5.1
 * (simple-evals: MMLU, GPQA), 5.2 (ZeroEval: MMLU-Redux), 5.8 (LongBench v2).
 *
 * Every way returns null where there is no letter: the answer counts as wrong and in the share of answers without one. Nothing is guessed
 * (MMLU-Pro's own script draws a random letter there, which lifts weak models by chance).
 */

/** "ABCD" for 4. */
export function choiceLetters(count: number): string {
  if (!Number.isInteger(count) || count < 1 || count > 26) {
    throw new RangeError(`choiceLetters: a question has 1..26 choices, got ${count}`);
  }
  return "ABCDEFGHIJKLMNOPQRSTUVWXYZ".slice(0, count);
}

/** simple-evals: the first `Answer: X`, case ignored, the letter perhaps between dollars. */
export function answerLineLetter(text: string, letters = "ABCD"): string | null {
  const found = new RegExp(`Answer[ \\t]*:[ \\t]*\\$?([${letters}])\\$?`, "i").exec(text);
  return found?.[1]?.toUpperCase() ?? null;
}

/** MMLU-Pro: `answer is (X)`, else the last line's `Answer: X`, else the last letter that stands alone. */
export function mmluProLetter(text: string, letters = "ABCDEFGHIJ"): string | null {
  const phrase = new RegExp(`answer is \\(?([${letters}])\\)?`).exec(text);
  if (phrase?.[1]) return phrase[1];
  // The mark is looked for as far to the right of a line as it goes; the first such line counts.
  const line = new RegExp(`.*[aA]nswer:\\s*([${letters}])`).exec(text);
  if (line?.[1]) return line[1];
  const alone = [...text.matchAll(new RegExp(`(?<![\\p{L}\\p{N}_])[${letters}](?![\\p{L}\\p{N}_])`, "gu"))];
  return alone.at(-1)?.[0] ?? null;
}

/** LongBench v2: `The correct answer is (X)`, else the same without brackets; asterisks of bold type do not count. */
export function longBenchLetter(text: string): string | null {
  const plain = text.replaceAll("*", "");
  const found = /The correct answer is \(([A-D])\)/.exec(plain) ?? /The correct answer is ([A-D])/.exec(plain);
  return found?.[1] ?? null;
}

/**
 * ZeroEval: the `answer` of the last JSON object in the text, else what follows the last `"answer":` of text that is no JSON (cut off, or
 * with raw line breaks inside strings). Only a value that begins with one of the letters counts.
 */
export function jsonAnswerLetter(text: string, letters = "ABCD"): string | null {
  const answer = lastJsonObject(text)?.answer ?? /^.*"answer"\s*:\s*"?([^"\n}]*)/s.exec(text)?.[1];
  if (typeof answer !== "string") return null;
  // "B", "B)", "(B)", "B. the text of it"
  return new RegExp(`^\\s*\\(?([${letters}])(?![\\p{L}\\p{N}_])`, "u").exec(answer)?.[1] ?? null;
}

/** The last outermost `{...}` that parses as a JSON object. */
export function lastJsonObject(text: string): Readonly<Record<string, unknown>> | null {
  // Braces of formulas and code are many; those that can open an object are few.
  const starts = [...text.matchAll(/\{(?=\s*["}])/g)].map(({ index }) => index);
  for (let end = text.lastIndexOf("}"); end > 0; end = text.lastIndexOf("}", end - 1)) {
    // Earliest first, so that the object is the outermost one that ends here.
    for (const start of starts) {
      if (start > end) break;
      try {
        return JSON.parse(text.slice(start, end + 1)) as Readonly<Record<string, unknown>>;
      } catch {
        // Not from this brace: the next one.
      }
    }
  }
  return null;
}
