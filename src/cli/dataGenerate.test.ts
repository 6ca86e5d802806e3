import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { problemAt } from "../eval/problems/families.js";
import { dataCommand } from "./data.js";

let folder = "";
let out = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-generate-"));
  out = join(folder, "rows.jsonl");
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

async function run(...flags: string[]): Promise<Record<string, unknown>> {
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  try {
    await dataCommand().parseAsync(["generate", ...flags, "--out", out, "--json"], { from: "user" });
    return JSON.parse(String(write.mock.calls[0]?.[0])) as Record<string, unknown>;
  } finally {
    write.mockRestore();
  }
}

/** The message of a run that ends with an exit code. */
async function refused(...flags: string[]): Promise<string> {
  vi.spyOn(process, "exit").mockImplementation(() => {
    throw new Error("exit");
  });
  const error = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  await expect(run(...flags)).rejects.toThrow("exit");
  return String(error.mock.calls.at(-1)?.[0]);
}

function rows(): Record<string, unknown>[] {
  const text = readFileSync(out, "utf8");
  expect(text.endsWith("\n")).toBe(true);
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

const sums = ["--family", "add-subtract", "--split", "train"];

test("data generate writes chats with the short response and what is known of the problem", async () => {
  const result = await run(...sums, "--count", "2500", "--seed", "7", "--plain");
  expect(result).toEqual({
    out,
    form: "concise",
    split: "train",
    seed: 7,
    families: ["add-subtract"],
    rows: 2500,
    problems: 2500,
  });
  const written = rows();
  expect(written).toHaveLength(2500);
  const { id, prompt, solution, answer, level } = problemAt("add-subtract", "train", 7, 1234, undefined, "plain");
  expect(written[1234]).toEqual({
    messages: [
      { role: "user", content: prompt },
      { role: "assistant", content: solution },
    ],
    meta: { family: "add-subtract", level, id, answer, form: "concise" },
  });
});

test("the same flags write the same bytes, another seed writes others", async () => {
  await run(...sums, "--count", "50");
  const first = readFileSync(out);
  await run(...sums, "--count", "50");
  expect(readFileSync(out).equals(first)).toBe(true);
  await run(...sums, "--count", "50", "--seed", "2");
  expect(readFileSync(out).equals(first)).toBe(false);
});

test("a reasoned response may stand under a system message", async () => {
  await run(...sums, "--count", "3", "--form", "reasoned", "--system", "Reflect and verify.");
  for (const row of rows()) {
    const [system, user, assistant] = row.messages as { role: string; content: string }[];
    expect(system).toEqual({ role: "system", content: "Reflect and verify." });
    expect(user?.role).toBe("user");
    expect(assistant?.content).toMatch(/^<think>\n[\s\S]*\n<\/think>\n[\s\S]*\\boxed\{\d+\}$/);
  }
});

test("prompts of code carry their tests, others do not", async () => {
  await run("--family", "code-python", "--family", "dates", "--split", "heldout", "--count", "4", "--form", "prompt");
  const [code, date] = rows();
  expect(Object.keys(code ?? {})).toEqual(["prompt", "answer", "family", "level", "id", "tests"]);
  expect(Object.keys(date ?? {})).toEqual(["prompt", "answer", "family", "level", "id"]);
  expect(rows().map(({ family }) => family)).toEqual(["code-python", "dates", "code-python", "dates"]);
});

test("a preference has a right and a wrong response to the same prompt", async () => {
  await run(...sums, "--count", "20", "--form", "preference", "--level", "2");
  for (const { chosen, rejected, answer, level } of rows()) {
    expect(level).toBe(2);
    expect(chosen).toContain(`\\boxed{${answer}}`);
    expect(rejected).toMatch(/\\boxed\{\d+\}$/);
    expect(rejected).not.toContain(`\\boxed{${answer}}`);
  }
});

test("all takes every family in turn", async () => {
  const { families } = await run("--family", "all", "--split", "train", "--count", "20");
  expect(families).toHaveLength(10);
  expect(rows().map(({ meta }) => (meta as { family: string }).family)).toEqual([
    ...(families as string[]),
    ...(families as string[]),
  ]);
});

test("what cannot be written is refused, and leaves no file", async () => {
  expect(await refused("--family", "riddles", "--split", "train", "--count", "1")).toContain('"riddles" is not known');
  expect(await refused("--family", "lists", "--split", "heldout", "--count", "1001")).toContain("there are 1000");
  expect(await refused(...sums, "--count", "1", "--level", "4")).toContain("level must be a whole number from 1 to 3");
  expect(await refused(...sums, "--count", "1", "--form", "prompt", "--system", "x")).toContain("hold no messages");
  expect(existsSync(out)).toBe(false);
});
