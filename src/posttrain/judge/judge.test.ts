import { describe, expect, test } from "vitest";
import { ScriptedExpert } from "../../../test/distill/scriptedExpert.js";
import { ScriptedModel } from "../../../test/serve/scriptedModel.js";
import { LanguageModel } from "../../generate/languageModel.js";
import { EngineExpert } from "../ask/engineExpert.js";
import type { Question } from "../ask/expert.js";
import { judgeVerifier } from "../distill/judgeVerifier.js";
import { firstPlaceShare, Judge } from "./judge.js";
import { parseChoice, parseScore, parseVerdict } from "./prompts.js";

const { signal } = new AbortController();
const given = { question: "2 + 2?", reference: null, response: "4" };
const pair = { question: "2 + 2?", reference: "four", responses: ["It is 4.", "It is 5."] } as const;

/** A model that is asked and remembers. */
function scripted(write: (prompt: string, question: Question) => string): ScriptedExpert {
  return new ScriptedExpert({
    write: (question) => write(question.messages.map(({ content }) => content).join(""), question),
  });
}

describe("a verdict is read from the last line alone", () => {
  test.each([
    ["Good.\nScore: 7", 7],
    ["Score: 3\nOn second thoughts\nScore: 8.5\n\n", 8.5],
    ["Score: 10", 10],
    ["Score: 0", 0],
    ["Score: 11", null],
    ["Score: -1", null],
    ["Score: 7/10", 7],
    ["score: 7", 7],
    ["**Score: 7**", 7],
    ["My score: 7", null],
    ["Score: 7\nThat is all.", null],
    ["", null],
  ])("%j says %j", (text, score) => {
    expect(parseScore(text)).toBe(score);
  });

  test.each([
    ["Score: 0\nNo, I was wrong.\n**Score: 1**", 1],
    ["score: 0.0", 0],
    ["Score: 5", null],
    ["Score: 0.5", null],
  ])("%j finds it %j", (text, verdict) => {
    expect(parseVerdict(text)).toBe(verdict);
  });

  test.each([
    ["A is right.\n[[A]]", 0],
    ["[[A]] seemed better at first.\n [[B]] ", 1],
    ["So [[A]]", null],
    ["[[C]]", null],
    ["[A]", null],
  ])("%j says %j", (text, choice) => {
    expect(parseChoice(text)).toBe(choice);
  });
});

describe("the judge", () => {
  test("averages the votes that can be read, asks once more for the others, and gives up on one that stays unreadable", async () => {
    const expert = scripted((_, { seed }) => seeds[seed] ?? "");
    const { asked } = expert;
    const seeds: Record<number, string> = {};
    const judge = new Judge(expert, { votes: 3, seed: 4 });
    await judge.score(given, "case 0", signal); // to learn the seeds
    const [first = 0, second = 0, third = 0, ...again] = asked.map(({ seed }) => seed);
    expect(new Set([first, second, third, ...again]).size).toBe(6);
    Object.assign(seeds, { [first]: "a\nScore: 4", [second]: "no verdict", [third]: "mumbling" });
    Object.assign(seeds, { [again[1] ?? 0]: "b\nScore: 9" });
    asked.length = 0;
    const { mean, votes } = await judge.score(given, "case 0", signal);
    expect(asked).toHaveLength(5);
    expect(votes).toEqual([
      { verdict: 4, text: "a\nScore: 4" },
      { verdict: 9, text: "b\nScore: 9" },
      { verdict: null, text: "" },
    ]);
    expect(mean).toBe(6.5);
    expect((await new Judge(scripted(() => "?")).score(given, "case 0", signal)).mean).toBeNull();
  });

  test("asks about question, answer and reference, marked in a way that the answer cannot know", async () => {
    const expert = scripted(() => "Score: 5");
    const { asked } = expert;
    const judge = new Judge(expert, { temperature: 0.7, maxTokens: 99 });
    await judge.score({ ...given, reference: "four" }, "case 0", signal);
    await judge.score(given, "case 1", signal);
    expect(asked[0]).toMatchObject({ temperature: 0.7, maxTokens: 99 });
    const [withReference = "", without = ""] = asked.map(({ messages }) => messages[0]?.content ?? "");
    expect(withReference).toMatch(/--- reference [0-9a-f]{8} ---\nfour\n--- end of reference/);
    expect(without).not.toContain("reference");
    expect(without).toContain("---\n2 + 2?\n---");
    const marks = [withReference, without].map((prompt) => /answer ([0-9a-f]{8}) ---/.exec(prompt)?.[1]);
    expect(marks[0]).not.toBe(marks[1]);
  });

  test("shows a pair in both orders, and a judge that takes what stands first prefers neither", async () => {
    const expert = scripted(() => "The first.\n[[A]]");
    const { asked } = expert;
    const judge = new Judge(expert, { votes: 40, seed: 2 });
    const verdict = await judge.compare(pair, "case 7", signal);
    const firsts = verdict.votes.map(({ first }) => first);
    expect(asked.map(({ messages }) => /answer A \w+ ---\nIt is (\d)/.exec(messages[0]?.content ?? "")?.[1])).toEqual(
      firsts.map((first) => (first === 0 ? "4" : "5")),
    );
    expect(firsts).toContain(0);
    expect(firsts).toContain(1);
    expect(verdict.mean).toBeCloseTo(firsts.filter((first) => first === 1).length / 40, 12);
    expect(verdict.mean).toBeGreaterThan(0.25);
    expect(verdict.mean).toBeLessThan(0.75);
    expect(firstPlaceShare([verdict])).toBe(1);
    expect(await judge.compare(pair, "case 7", signal)).toEqual(verdict);
  });

  test("finds the better answer whichever place it has", async () => {
    const expert = scripted((prompt) => (/answer A \w+ ---\nIt is 4/.test(prompt) ? "[[A]]" : "[[B]]"));
    const verdict = await new Judge(expert, { votes: 12 }).compare(pair, "case 0", signal);
    expect(verdict.mean).toBe(0);
    expect(verdict.votes.every((vote) => vote.verdict === 0)).toBe(true);
    const turned = { ...pair, responses: [pair.responses[1], pair.responses[0]] as const };
    expect((await new Judge(expert, { votes: 12 }).compare(turned, "case 0", signal)).mean).toBe(1);
  });

  test("refuses options that make no sense", () => {
    const expert = scripted(() => "");
    expect(() => new Judge(expert, { temperature: 0 })).toThrow("temperature must be above 0 and at most 2, got 0");
    expect(() => new Judge(expert, { votes: 0 })).toThrow("votes must be 1 or more, got 0");
  });
});

test("an own model judges, and what it thought before is not read as a verdict", async () => {
  const write = (): string => "<think>\nScore: 1\n</think>\nIt is right.\nScore: 9<｜end▁of▁sentence｜>";
  const model = new ScriptedModel({ write });
  await using expert = new EngineExpert(new LanguageModel(model), "scripted", 4);
  const { mean, votes } = await new Judge(expert, { seed: 5, maxTokens: 77 }).score(given, "case 0", signal);
  expect([mean, votes[0]?.text]).toEqual([9, "It is right.\nScore: 9"]);
  expect(model.requests[0]).toMatchObject({ maxTokens: 77, sampling: { temperature: 0.6 } });
  expect(model.lastPrompt).toContain("2 + 2?");
});

describe("as a verifier of distilled answers", () => {
  const prompt = { id: "p", domain: "general", prompt: "Capital of France?", source: "t", license: "MIT" } as const;

  test("it sees question, known answer and the answer without its thought", async () => {
    const expert = scripted(() => "Score: 1");
    const answer = "<think>\nLyon?\n</think>\nParis.";
    expect(await judgeVerifier(new Judge(expert)).verify({ ...prompt, answer: "Paris" }, answer, signal)).toBe(1);
    const text = expert.asked[0]?.messages[0]?.content ?? "";
    expect(text).toMatch(/--- question (\w+) ---\nCapital of France\?\n--- end of question \1 ---/);
    expect(text).toMatch(/--- reference (\w+) ---\nParis\n--- end.*\n\n--- answer \1 ---\nParis\.\n/);
    expect(text).not.toContain("Lyon");
  });

  test("most of its votes decide, half of them do not, and a reply without a score is asked for once more", async () => {
    const votes = ["Score: 1", "Score: 0", "Score: 1", "Hm.", "Score: 1", "Hm.", "Hm."];
    const verdictOf = (number: number): Promise<number | null> =>
      judgeVerifier(
        new Judge(
          scripted(() => votes.shift() ?? ""),
          { votes: number },
        ),
      ).verify(prompt, "Paris.", signal);
    expect(await verdictOf(2)).toBe(0);
    expect(await verdictOf(1)).toBe(1);
    expect(await verdictOf(1)).toBe(1);
    expect(await verdictOf(1)).toBeNull();
    expect(votes).toEqual([]);
  });
});
