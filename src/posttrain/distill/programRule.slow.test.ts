/** Programs of candidates, run in the sandbox. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { problemAt } from "../../eval/problems/families.js";
import { openSandbox, type Sandbox } from "../../sandbox/sandbox.js";
import { problemPrompts } from "./problemPrompts.js";
import { programRule } from "./programRule.js";
import type { DistillPrompt } from "./records.js";

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await openSandbox({ runUnsafeCode: true, processes: 2 });
});
afterAll(() => sandbox.close());

const never = new AbortController().signal;

test.each(["code-python", "code-javascript"] as const)(
  "%s: solutions pass their tests, mistaken ones fail",
  async (family) => {
    const verify = programRule(sandbox);
    const prompts = [...problemPrompts({ families: [family], count: 12, level: null, phrasing: "varied", seed: 1 })];
    for (const [i, prompt] of prompts.entries()) {
      const problem = problemAt(family, "train", 1, i);
      expect(await verify(prompt, problem.reasoned, never), problem.id).toBe(1);
      expect(await verify(prompt, problem.mistaken, never), problem.id).toBe(0);
      expect(await verify(prompt, "No program.", never)).toBe(0);
    }
  },
);

test("a program in the other language is wrong", async () => {
  const [prompt] = problemPrompts({ families: ["code-javascript"], count: 1, level: 1, phrasing: "plain", seed: 1 });
  if (!prompt) throw new Error("no prompt");
  const { solution } = problemAt("code-python", "train", 1, 0, 1, "plain");
  expect(await programRule(sandbox)(prompt, solution, never)).toBe(0);
});

test("tests of files are those that rewards read; a prompt without any is refused", async () => {
  const base: DistillPrompt = { id: "p", domain: "code", prompt: "?", checker: "tests", source: "a", license: "MIT" };
  const verify = programRule(sandbox);
  const asked = { ...base, tests: ["assert double(3) == 6"] };
  const program = (body: string): string => `\`\`\`python\ndef double(n):\n    return ${body}\n\`\`\``;
  expect(await verify(asked, program("2 * n"), never)).toBe(1);
  expect(await verify(asked, program("n"), never)).toBe(0);
  await expect(verify(base, program("n"), never)).rejects.toThrow(/^prompt p: .*a row needs tests/);
});
