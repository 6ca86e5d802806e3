import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestServer, testServer } from "./testServer.js";

let server: TestServer;
beforeAll(async () => {
  const write = ({ prompt }: { readonly prompt: ArrayLike<number> }): string => {
    const asked = server.model.tokenizer.decode(Array.from(prompt));
    return asked.includes("fim\u2581hole") ? "  return a + b;" : "Somebody who knows.";
  };
  server = await testServer({ write }, { drainMs: 500 });
});
afterAll(() => server.server.drain());

async function example(name: string, ...args: readonly string[]): Promise<string> {
  const file = fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [file, `${server.url}/v1`, ...args]);
  return stdout;
}

test("examples/openai.mjs prints the answer as it comes, and its length", async () => {
  expect(await example("openai.mjs", "Who?")).toBe("Somebody who knows.\n19 tokens from scripted\n");
  expect(server.model.lastPrompt).toContain("Who?");
});

test("examples/fim.mjs prints the gap filled", async () => {
  expect(await example("fim.mjs")).toBe("export function add(a: number, b: number): number {\n  return a + b;\n}\n");
});
