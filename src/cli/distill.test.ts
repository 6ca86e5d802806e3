import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type ChatBody, ChatServer } from "../../test/distill/chatServer.js";
import { problemAt } from "../eval/problems/families.js";
import { distillCommand } from "./distill.js";

let folder = "";
let directory = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-distill-command-"));
  directory = join(folder, "distilled");
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
  rmSync(folder, { recursive: true, force: true });
});

interface Printed {
  readonly result: Record<string, unknown>;
  readonly said: string;
}

/** Runs a command of distill, which must print one object. */
async function run(...args: readonly string[]): Promise<Printed> {
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  const say = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  const exit = vi.spyOn(process, "exit").mockImplementation((code) => {
    throw new Error(`exit ${code}: ${say.mock.calls.map(([text]) => String(text)).join("")}`);
  });
  try {
    await distillCommand().parseAsync([...args, "--json"], { from: "user" });
    expect(write).toHaveBeenCalledTimes(1);
    return {
      result: JSON.parse(String(write.mock.calls[0]?.[0])) as Record<string, unknown>,
      said: say.mock.calls.map(([text]) => String(text)).join(""),
    };
  } finally {
    write.mockRestore();
    say.mockRestore();
    exit.mockRestore();
  }
}

const read = (name: string): string => readFileSync(join(directory, name), "utf8");
const lines = (name: string): Record<string, unknown>[] =>
  read(name)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

const count = 8;
/** Right or mistaken, as the seed says. */
const solve = ({ messages, seed }: ChatBody): string => {
  const asked = messages.at(-1)?.content;
  for (let i = 0; i < count; i++) {
    const problem = problemAt("division", "train", 1, i, undefined, "plain");
    if (problem.prompt === asked) return seed % 3 === 0 ? problem.mistaken : problem.solution;
  }
  return `Gladly: ${asked}`;
};

const prompts = ["prompts", "--family", "division", "--count", String(count), "--plain"];

test("the steps one after the other make a data set and a report", async () => {
  await using teacher = await ChatServer.start(solve);
  const [name = "", ...flags] = prompts;
  expect((await run(name, directory, ...flags)).result).toMatchObject({
    read: count,
    kept: { math: count },
    dropped: {},
  });
  expect((await run("forms", directory)).result).toMatchObject({ prompts: count, A: count, B: count, dropped: {} });
  const sampled = await run("sample", directory, "--model", teacher.url, "--samples", "4");
  expect(sampled.result).toMatchObject({ done: 4 * count, wanted: 4 * count, written: 4 * count });
  expect(lines("candidates.jsonl")[0]).toMatchObject({ model: "teacher", temperature: 1, reward: {}, correct: null });
  const mistaken = lines("candidates.jsonl").filter(({ seed }) => Number(seed) % 3 === 0).length;
  expect((await run("score", directory)).result).toMatchObject({
    candidates: 4 * count,
    scored: 4 * count,
    correct: 4 * count - mistaken,
    wrong: mistaken,
  });
  const selected = await run("select", directory);
  expect(selected.result).toMatchObject({
    domains: { math: { prompts: count, kept: { prompts: count, records: count } } },
  });
  expect((await run("mix", directory, "--validation-fraction", "0.25")).result).toMatchObject({
    training: 6,
    validation: 2,
    byForm: { RS: count },
  });
  const reported = await run("report", directory);
  expect(reported.result).toMatchObject({ version: 1, prompts: { read: count }, sft: { training: 6 } });
  expect(JSON.parse(read("report.json"))).toMatchObject({
    selection: { domains: { math: { correct: 4 * count - mistaken } } },
  });
  const page = read("report.html");
  expect(page).toContain("<h2>Kept</h2>");
  expect(page).toContain("wrong; division/");
  expect(page).not.toContain("<script");
});

test("a failing endpoint stops with what is there kept, and the same command goes on", async () => {
  const [name = "", ...flags] = prompts;
  await run(name, directory, ...flags);
  const ask = ["--samples", "2", "--concurrency", "1"];
  {
    await using teacher = await ChatServer.start((body, n) => (n < 5 ? solve(body) : null));
    await expect(run("sample", directory, "--model", teacher.url, ...ask, "--retries", "0")).rejects.toThrow(
      /^exit 1: .*sample \d: .*HTTP 503: no teacher today\n5 of 16 answers are kept in .*candidates\.jsonl; the same command/s,
    );
  }
  expect(lines("candidates.jsonl").length).toBe(5);
  await using teacher = await ChatServer.start(solve);
  expect((await run("sample", directory, "--model", teacher.url, ...ask)).result).toMatchObject({
    done: 16,
    written: 11,
  });
  expect(teacher.asked.length).toBe(11);
  expect(existsSync(join(directory, "candidates.ahead.jsonl"))).toBe(false);
});

test("the key of an endpoint comes from the environment, and one that is not there is an error", async () => {
  const [name = "", ...flags] = prompts;
  await run(name, directory, ...flags);
  await expect(
    run("sample", directory, "--model", "http://127.0.0.1:9", "--api-key-env", "NO_SUCH_KEY_HERE"),
  ).rejects.toThrow("--api-key-env NO_SUCH_KEY_HERE: there is no such environment variable, or it is empty");
  await expect(run("sample", directory, "--model", folder, "--endpoint-model", "x")).rejects.toThrow(
    /--endpoint-model and --api-key-env go with the URL of an endpoint/,
  );
  await expect(run("sample", directory)).rejects.toThrow(/give who answers: --model/);
});

test("questions that are contaminated are told with the words that met, and listed", async () => {
  const known = "A farmer has seventeen sheep and all but nine of them run away";
  writeFileSync(join(folder, "test.jsonl"), JSON.stringify({ question: `${known}; how many are left?`, n: 1 }));
  const rows = [`Riddle: ${known}. Why?`, "What is 2 + 2?", "what is  2 + 2?"].map((prompt) => ({
    prompt,
    answer: "9",
  }));
  writeFileSync(join(folder, "mine.jsonl"), rows.map((row) => JSON.stringify(row)).join("\n"));
  const from = ["--from", `mine=${join(folder, "mine.jsonl")}`, "--domain", "math", "--license", "CC0"];
  const { result, said } = await run("prompts", directory, ...from, "--against", join(folder, "test.jsonl"));
  expect(result).toMatchObject({ read: 3, kept: { math: 1 }, dropped: { contaminated: 1, duplicate: 1 } });
  expect(said).toMatch(/must not be met: 20,000 held-out problems, [\d,]+ documents of tasks, 1 of --against/);
  expect(lines("prompts.jsonl")).toMatchObject([{ prompt: "What is 2 + 2?", source: "mine", license: "CC0" }]);
  expect(lines("prompts.dropped.jsonl")[1]).toMatchObject({
    reason: "contaminated",
    ngram: "a farmer has seventeen sheep and all but nine of",
    met_in: `${join(folder, "test.jsonl")}: row 1`,
  });
});

test("general questions are answered by a chat model and wait for a person, who decides by options", async () => {
  const questions = ["Greet me.", "Tell a story.", "Sing."].map((prompt, id) => ({ prompt, id, domain: "general" }));
  writeFileSync(join(folder, "chats.jsonl"), questions.map((row) => JSON.stringify(row)).join("\n"));
  const [name = "", ...flags] = prompts;
  await run(name, directory, ...flags, "--from", `chats=${join(folder, "chats.jsonl")}`);
  await using model = await ChatServer.start(solve);
  expect((await run("generate-chat", directory, "--model", model.url)).result).toMatchObject({ queued: 3, waiting: 3 });
  expect(model.asked.map(({ messages }) => messages[0]?.content).toSorted()).toEqual([
    "Greet me.",
    "Sing.",
    "Tell a story.",
  ]);
  expect((await run("generate-chat", directory, "--model", model.url)).result).toMatchObject({ queued: 0, waiting: 3 });
  const { waiting } = (await run("review", directory, "--list")).result as { waiting: string[] };
  const [greet = "", story = "", sing = ""] = waiting;
  await expect(run("review", directory, "--accept", greet, "--reject", greet)).rejects.toThrow(/decided twice/);
  await expect(run("review", directory, "--accept", "nothing")).rejects.toThrow(
    /there is no such record; --list shows/,
  );
  await expect(run("review", directory)).rejects.toThrow(/no terminal to ask in; --accept, --reject and --edit/);
  writeFileSync(join(folder, "better.txt"), "Once upon a time.\n");
  const decided = await run(
    ...["review", directory, "--accept", greet, "--edit", `${story}=${join(folder, "better.txt")}`, "--reject", sing],
  );
  expect(decided.result).toMatchObject({ accepted: 1, edited: 1, rejected: 1, waiting: 0 });
  const [accepted, edited] = [greet, story].map((id) => lines("review.jsonl").findLast((each) => each.id === id));
  expect(accepted).toMatchObject({ id: greet, needs_review: false, decision: { verdict: "accept" } });
  expect(edited).toMatchObject({
    messages: [{ content: "Tell a story." }, { content: "Once upon a time." }],
    decision: { verdict: "edit", original: "Gladly: Tell a story." },
  });
  // Neither experts nor the forms are asked what is general.
  expect((await run("forms", directory)).result).toMatchObject({ prompts: count });
  expect((await run("mix", directory, "--validation-fraction", "0")).result).toMatchObject({ byForm: { chat: 2 } });
});

test("a teacher writes the forms of questions that were not generated, without the wrong ones", async () => {
  const rows = [
    { prompt: "1+1?", answer: "2", id: "a" },
    { prompt: "1+2?", answer: "3", id: "b" },
  ];
  writeFileSync(join(folder, "mine.jsonl"), rows.map((row) => JSON.stringify(row)).join("\n"));
  await run("prompts", directory, "--from", join(folder, "mine.jsonl"), "--domain", "math");
  await expect(run("forms", directory)).rejects.toThrow(
    /prompt a .* has no forms of its own: a teacher must write them/,
  );
  await using teacher = await ChatServer.start(({ messages }) => {
    const thought = messages[0]?.role === "system" ? "<think>\nhm\n</think>\n" : "";
    return `${thought}\\boxed{2}`;
  });
  const made = await run("forms", directory, "--teacher", teacher.url);
  expect(made.result).toMatchObject({ prompts: 2, A: 1, B: 1, dropped: { "A wrong": 1, "B wrong": 1 } });
  expect(lines("forms.jsonl")).toMatchObject([
    { meta: { prompt_id: "a", form: "A", reward: { accuracy: 1 } } },
    {
      meta: { prompt_id: "a", form: "B" },
      messages: [{ role: "system" }, {}, { content: "<think>\nhm\n</think>\n\\boxed{2}" }],
    },
  ]);
});

test("a judge is a verifier beside the rules", async () => {
  const [name = "", ...flags] = prompts;
  await run(name, directory, ...flags);
  await using teacher = await ChatServer.start(solve);
  await run("sample", directory, "--model", teacher.url, "--samples", "1");
  await run("score", directory);
  // It finds nothing right.
  await using judge = await ChatServer.start(() => "No.\nScore: 0");
  const { result } = await run("score", directory, "--judge", judge.url);
  expect(result).toMatchObject({ candidates: count, scored: count, correct: 0, wrong: count });
  expect(lines("candidates.jsonl").at(-1)?.reward).toMatchObject({ judge: 0, format: 1 });
});

test("a directory without prompts is an error that says what to do, and none is left", async () => {
  for (const step of ["forms", "sample", "score", "select", "report"]) {
    await expect(run(step, directory)).rejects.toThrow(
      /no prompts\.jsonl there; fathom distill prompts .*distilled makes it/,
    );
  }
  for (const step of ["mix", "review"]) {
    await expect(run(step, directory)).rejects.toThrow(/distilled: no such directory/);
  }
  await expect(run("prompts", directory)).rejects.toThrow(/give questions: --family NAME, or --from FILE/);
  expect(existsSync(directory)).toBe(false);
});
