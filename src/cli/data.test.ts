import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { buildTokenizerConfig, buildTokenizerJson } from "../tokenizer/newTokenizer.js";
import { Tokenizer } from "../tokenizer/tokenizer.js";
import { dataCommand } from "./data.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-data-command-"));
  mkdirSync(join(folder, "text"));
  for (let i = 0; i < 40; i++) writeFileSync(join(folder, "text", `${i}.txt`), `${`line ${i} of a text\n`.repeat(20)}`);
  Tokenizer.fromJson(buildTokenizerJson([]), buildTokenizerConfig()).save(join(folder, "tokenizer"));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

async function run(...args: string[]): Promise<Record<string, unknown>> {
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  try {
    await dataCommand().parseAsync(args, { from: "user" });
    expect(write).toHaveBeenCalledTimes(1);
    return JSON.parse(String(write.mock.calls[0]?.[0])) as Record<string, unknown>;
  } finally {
    write.mockRestore();
  }
}

test("data prepare writes shards that data inspect reads", async () => {
  const [tokenizer, out] = [join(folder, "tokenizer"), join(folder, "prepared")];
  const flags = ["--tokenizer", tokenizer, "--json"];
  const prepared = await run("prepare", "--data", join(folder, "text"), "--out", out, "--fim-rate", "0", ...flags);
  expect(prepared).toMatchObject({ out, sources: [{ name: "data", shards: 1, duplicates: 0 }] });
  const inspected = await run("inspect", out, "--length", "32", "--rows", "3", "--verify", ...flags);
  const { documents } = (prepared as { sources: { documents: number }[] }).sources[0] ?? {};
  expect(inspected).toMatchObject({ documents, sequenceLength: 32, rows: [{}, {}, {}] });
  const held = (inspected as { validation: { documents: number } }).validation.documents;
  expect((documents ?? 0) + held).toBe(40);
});

test("data inspect without a tokenizer says what to give", async () => {
  const exit = vi.spyOn(process, "exit").mockImplementation(() => {
    throw new Error("exit");
  });
  const error = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  await expect(dataCommand().parseAsync(["inspect", folder], { from: "user" })).rejects.toThrow("exit");
  expect(exit).toHaveBeenCalledWith(1);
  expect(String(error.mock.calls[0]?.[0])).toMatch(/give --tokenizer\n$/);
});
