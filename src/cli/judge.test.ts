import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ChatServer } from "../../test/distill/chatServer.js";
import { openRewards } from "../posttrain/reward/openRewards.js";
import { openExpert } from "./expertOptions.js";
import { judgeCommand } from "./judge.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-judge-command-"));
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
  rmSync(folder, { recursive: true, force: true });
});

async function run(...args: readonly string[]): Promise<string> {
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  const say = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  vi.spyOn(process, "exit").mockImplementation((code) => {
    throw new Error(`exit ${code}: ${say.mock.calls.map(([text]) => String(text)).join("")}`);
  });
  await judgeCommand().parseAsync([...args], { from: "user" });
  const printed = write.mock.calls.map(([text]) => String(text)).join("");
  vi.restoreAllMocks();
  return printed;
}

test("pairs before a judge at an endpoint: its agreement is told, and its order written", async () => {
  const data = join(folder, "pairs.jsonl");
  const rows = [1, 2, 3].map((n) => ({ prompt: `p${n}`, chosen: "right", rejected: n === 3 ? "good" : "wrong" }));
  writeFileSync(data, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  // It likes the word good, and dislikes wrong.
  await using judge = await ChatServer.start(({ messages }) => {
    const [, a = ""] = /answer A \w+ ---\n(\w+)/.exec(messages[0]?.content ?? "") ?? [];
    const isGood = a === "good" || (a === "right" && !messages[0]?.content.includes("good"));
    return `Reasons.\n[[${isGood ? "A" : "B"}]]`;
  });
  const out = join(folder, "judged.jsonl");
  const pairs = join(folder, "preferred.jsonl");
  const flags = ["--data", data, "--judge", judge.url, "--votes", "3", "--out", out, "--plain-as", "chat"];
  const result = JSON.parse(await run(...flags, "--pairs", pairs, "--json")) as object;
  expect(result).toMatchObject({ out, judge: "teacher", votes: 3, records: 3, unread: 0, pairsWritten: 3 });
  expect(result).toMatchObject({ pairs: { count: 3, divided: 0, agreement: 2 / 3 }, answers: null });
  expect(judge.asked).toHaveLength(9);
  const [, , last] = readFileSync(pairs, "utf8").split("\n");
  expect(JSON.parse(last ?? "")).toMatchObject({ chosen: [{ content: "good" }], rejected: [{ content: "right" }] });
  // The same again asks nothing.
  expect(await run(...flags)).toMatch(/the chosen answer is preferred +66\.7 % \(standard error 33\.3\)/);
  expect(judge.asked).toHaveLength(9);
});

test("what is missing is named", async () => {
  await expect(run()).rejects.toThrow("give records to judge: --data FILE");
  await expect(run("--data", "x")).rejects.toThrow("say who judges: --judge");
  await expect(run("--data", "x", "--judge", "y", "--out", "z.txt")).rejects.toThrow(
    "--out: give a file that ends in .jsonl",
  );
});

test("a judge is a reward by its name, asked as often as it has votes", async () => {
  await using server = await ChatServer.start(({ messages }) =>
    messages[0]?.content.includes("\nfour\n") ? "Score: 9" : "?",
  );
  const opened = await openRewards([`judge:${server.url}`], {
    ...{ column: null, maxLength: 64, sandbox: null, judging: { votes: 2 } },
    openJudge: (model) => openExpert({ model }, new AbortController().signal),
  });
  const sample = {
    prompt: "2 + 2?",
    messages: [],
    completionIds: [],
    finishReason: "stop",
    row: {},
    group: 0,
  } as const;
  const [reward] = opened.rewards;
  expect(reward?.name).toBe(`judge:${server.url}`);
  expect(
    await reward?.score([
      { ...sample, completionText: "four" },
      { ...sample, completionText: "five" },
    ]),
  ).toEqual([0.9, null]);
  // Two votes, and each that cannot be read once more.
  expect(server.asked).toHaveLength(6);
  await opened.close();
  await expect(openRewards(["judge:x"], { column: null, maxLength: 1, sandbox: null })).rejects.toThrow(
    "reward judge:x: no judges can be opened here",
  );
});
