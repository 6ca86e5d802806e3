import { afterAll, describe, expect, test } from "vitest";
import { ScriptedModel } from "../../../test/serve/scriptedModel.js";
import { testServer } from "../../../test/serve/testServer.js";
import { openEndpoint } from "../../eval/harness/endpointModel.js";
import { LanguageModel } from "../../generate/languageModel.js";
import { type AskJudge, firstPlaceShare, Judge, type JudgeQuestion, judgeAll } from "./judge.js";
import { askEndpoint, askEngine } from "./judgeModels.js";
import { parseChoice, parseScore } from "./judgePrompts.js";

const { signal } = new AbortController();
const given = { question: "2 + 2?", reference: null, response: "4" };
const pair = { question: "2 + 2?", reference: "four", responses: ["It is 4.", "It is 5."] } as const;

/** A model that is asked and remembers. */
function scripted(write: (prompt: string, question: JudgeQuestion) => string): {
  readonly ask: AskJudge;
  readonly asked: JudgeQuestion[];
} {
  const asked: JudgeQuestion[] = [];
  const ask: AskJudge = async (question) => {
    asked.push(question);
    return write(question.messages.map(({ content }) => content).join(""), question);
  };
  return { ask, asked };
}

describe("a verdict is read from the last line alone", () => {
  test.each([
    ["Good.\nScore: 7", 7],
    ["Score: 3\nOn second thoughts\nScore: 8.5\n\n", 8.5],
    ["Score: 10", 10],
    ["Score: 0", 0],
    ["Score: 11", null],
    ["Score: -1", null],
    ["Score: 7/10", null],
    ["score: 7", null],
    ["**Score: 7**", null],
    ["Score: 7\nThat is all.", null],
    ["", null],
  ])("%j says %j", (text, score) => {
    expect(parseScore(text)).toBe(score);
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
    const { ask, asked } = scripted((_, { seed }) => seeds[seed] ?? "");
    const seeds: Record<number, string> = {};
    const judge = new Judge(ask, { votes: 3, seed: 4 });
    await judge.score(given, 0, signal); // to learn the seeds
    const [first = 0, second = 0, third = 0, ...again] = asked.map(({ seed }) => seed);
    expect(new Set([first, second, third, ...again]).size).toBe(6);
    Object.assign(seeds, { [first]: "a\nScore: 4", [second]: "no verdict", [third]: "mumbling" });
    Object.assign(seeds, { [again[1] ?? 0]: "b\nScore: 9" });
    asked.length = 0;
    const { score, votes } = await judge.score(given, 0, signal);
    expect(asked).toHaveLength(5);
    expect(votes).toEqual([
      { verdict: 4, text: "a\nScore: 4" },
      { verdict: 9, text: "b\nScore: 9" },
      { verdict: null, text: "" },
    ]);
    expect(score).toBe(6.5);
    expect((await new Judge(scripted(() => "?").ask).score(given, 0, signal)).score).toBeNull();
  });

  test("asks about question, answer and reference, marked in a way that the answer cannot know", async () => {
    const { ask, asked } = scripted(() => "Score: 5");
    const judge = new Judge(ask, { temperature: 0.7, maxTokens: 99 });
    await judge.score({ ...given, reference: "four" }, 0, signal);
    await judge.score(given, 1, signal);
    expect(asked[0]).toMatchObject({ temperature: 0.7, maxTokens: 99 });
    const [withReference = "", without = ""] = asked.map(({ messages }) => messages[0]?.content ?? "");
    expect(withReference).toMatch(/--- reference [0-9a-f]{8} ---\nfour\n--- end of reference/);
    expect(without).not.toContain("reference");
    expect(without).toContain("---\n2 + 2?\n---");
    const marks = [withReference, without].map((prompt) => /answer ([0-9a-f]{8}) ---/.exec(prompt)?.[1]);
    expect(marks[0]).not.toBe(marks[1]);
  });

  test("shows a pair in both orders, and a judge that takes what stands first prefers neither", async () => {
    const { ask, asked } = scripted(() => "The first.\n[[A]]");
    const judge = new Judge(ask, { votes: 40, seed: 2 });
    const verdict = await judge.compare(pair, 7, signal);
    const firsts = verdict.votes.map(({ first }) => first);
    expect(asked.map(({ messages }) => /answer A \w+ ---\nIt is (\d)/.exec(messages[0]?.content ?? "")?.[1])).toEqual(
      firsts.map((first) => (first === 0 ? "4" : "5")),
    );
    expect(firsts).toContain(0);
    expect(firsts).toContain(1);
    expect(verdict.share).toBeCloseTo(firsts.filter((first) => first === 0).length / 40, 12);
    expect(verdict.share).toBeGreaterThan(0.25);
    expect(verdict.share).toBeLessThan(0.75);
    expect(firstPlaceShare([verdict])).toBe(1);
    expect(await judge.compare(pair, 7, signal)).toEqual(verdict);
  });

  test("finds the better answer whichever place it has", async () => {
    const { ask } = scripted((prompt) => (/answer A \w+ ---\nIt is 4/.test(prompt) ? "[[A]]" : "[[B]]"));
    const verdict = await new Judge(ask, { votes: 12 }).compare(pair, 0, signal);
    expect(verdict.share).toBe(1);
    expect(verdict.votes.every((vote) => vote.verdict === 0)).toBe(true);
    const turned = { ...pair, responses: [pair.responses[1], pair.responses[0]] as const };
    expect((await new Judge(ask, { votes: 12 }).compare(turned, 0, signal)).share).toBe(0);
  });

  test("refuses options that make no sense", () => {
    const { ask } = scripted(() => "");
    expect(() => new Judge(ask, { temperature: 0 })).toThrow("temperature must be above 0 and at most 2, got 0");
    expect(() => new Judge(ask, { votes: 0 })).toThrow("votes must be 1 or more, got 0");
  });
});

test("many cases are judged some at once; when one fails the verdicts before it have been told, and the rest is not asked", async () => {
  const told: [number, number][] = [];
  let [running, most] = [0, 0];
  const judge = async (value: number): Promise<number> => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    if (value === 13) throw new RangeError("the server is gone");
    return 10 * value;
  };
  const onVerdict = (verdict: number, index: number): void => {
    told.push([index, verdict]);
  };
  await judgeAll([1, 2, 3, 4, 5], judge, { atOnce: 2, onVerdict, signal });
  expect(told.sort()).toEqual([0, 1, 2, 3, 4].map((i) => [i, 10 * (i + 1)]));
  expect(most).toBe(2);
  told.length = 0;
  await expect(judgeAll([1, 2, 13, 4, 5, 6, 7], judge, { atOnce: 2, onVerdict, signal })).rejects.toThrow("gone");
  expect(told.map(([index]) => index)).toEqual(expect.arrayContaining([0, 1]));
  expect(told.length).toBeLessThan(5);
});

describe("our own model judges", () => {
  const write = (): string => "It is right.\nScore: 9<｜end▁of▁sentence｜>";

  test("in this process", async () => {
    const model = new ScriptedModel({ write });
    await using opened = new LanguageModel(model);
    const { score, votes } = await new Judge(askEngine(opened), { seed: 5 }).score(given, 0, signal);
    expect([score, votes[0]?.text]).toEqual([9, "It is right.\nScore: 9"]);
    expect(model.requests[0]).toMatchObject({ maxTokens: 1024, sampling: { temperature: 0.6 } });
    expect(model.lastPrompt).toContain("2 + 2?");
  });

  const servers: { drain(): Promise<void> }[] = [];
  afterAll(async () => {
    for (const server of servers) await server.drain();
  });

  test("behind our server", async () => {
    const { server, model, url } = await testServer({ write });
    servers.push(server);
    const endpoint = await openEndpoint({ url, model: null, apiKey: null, atOnce: 2 });
    const verdict = await new Judge(askEndpoint(endpoint), { votes: 2, maxTokens: 77 }).score(given, 0, signal);
    expect(verdict.score).toBe(9);
    expect(verdict.votes[1]?.text).toBe("It is right.\nScore: 9");
    expect(model.lastPrompt).toContain("2 + 2?");
    const [first, second] = model.requests;
    expect(first).toMatchObject({ maxTokens: 77, sampling: { temperature: 0.6 } });
    expect(first?.sampling?.seed).not.toBe(second?.sampling?.seed);
  });

  test("behind a server that comes back, and one that does not: what was told before is not lost", async () => {
    let calls = 0;
    const told: (number | null)[] = [];
    const busy = { status: 503, retryAfter: null, text: "busy" };
    const good = JSON.stringify({ choices: [{ message: { content: "Score: 2" }, finish_reason: "stop" }] });
    const endpoint = await openEndpoint({
      ...{ url: "http://host", model: "judge", apiKey: null, atOnce: 1, retries: 2 },
      // Busy at first, then well, then gone.
      post: async () => (++calls === 1 || calls > 3 ? busy : { status: 200, retryAfter: null, text: good }),
      sleep: async () => {},
    });
    const judge = new Judge(askEndpoint(endpoint));
    const all = judgeAll([given, given, given], (each, i, until) => judge.score(each, i, until), {
      atOnce: 1,
      onVerdict: ({ score }) => told.push(score),
      signal,
    });
    await expect(all).rejects.toThrow("http://host/v1/chat/completions: HTTP 503: busy after 3 tries");
    expect(told).toEqual([2, 2]);
  });
});
