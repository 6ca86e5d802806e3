import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import ts from "typescript";
import { afterAll, beforeAll, expect, test } from "vitest";
import { byteTokenizer } from "../../test/serve/scriptedModel.js";
import type { PromptMaker } from "./promptMaker.js";

/** Worker threads start only from compiled files, so these tests compile the folders that prompts need and load the result. */
const src = resolve(dirname(fileURLToPath(import.meta.url)), "..");
let compiled: string;
let Maker: typeof PromptMaker;
beforeAll(async () => {
  mkdirSync(join(src, "../build"), { recursive: true });
  compiled = mkdtempSync(join(src, "../build/serve-threads-"));
  for (const folder of ["tokenizer", "files", "serve"]) {
    mkdirSync(join(compiled, folder));
    for (const name of readdirSync(join(src, folder))) {
      if (!/(?<!\.test)\.ts$/.test(name)) continue;
      const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
      const { outputText } = ts.transpileModule(readFileSync(join(src, folder, name), "utf8"), { compilerOptions });
      writeFileSync(join(compiled, folder, name.replace(/\.ts$/, ".js")), outputText);
    }
  }
  for (const folder of ["generate", "checkpoint", "model", "tensor"])
    symlinkSync(join(src, folder), join(compiled, folder));
  ({ PromptMaker: Maker } = await import(
    /* @vite-ignore */ pathToFileURL(join(compiled, "serve/promptMaker.js")).href
  ));
});
afterAll(() => rmSync(compiled, { recursive: true, force: true }));

const settings = { templateMs: 250, longTextCharacters: 1000, maxTextCharacters: 1_000_000 };
const hello = { conversation: { messages: [{ role: "user", content: "Hi" }], prefix: null }, tools: [], variables: {} };

/** How often this thread came to other work while the promise was pending: once or twice if the work is done here, thousands of times if not. */
async function turnsDuring(promise: Promise<unknown>): Promise<number> {
  let isOver = false;
  const end = (): void => {
    isOver = true;
  };
  promise.then(end, end);
  let turns = 0;
  for (; !isOver; turns++) await new Promise((next) => setImmediate(next));
  return turns;
}

test("a template that never ends is stopped, and the next request is served", async () => {
  const hostile =
    "{% if messages[0].content == 'Hi' %}{% for a in range(10000000) %}{% for b in range(10000000) %}{% endfor %}{% endfor %}{% endif %}{{ messages[0].content }}";
  const prompts = new Maker(byteTokenizer(hostile), settings);
  const begun = performance.now();
  const stopped = prompts.chat(hello);
  expect(await turnsDuring(stopped)).toBeGreaterThan(50);
  await expect(stopped).rejects.toMatchObject({
    status: 400,
    code: "chat_template_error",
    message: expect.stringContaining("took more than 251 ms"),
  });
  expect(performance.now() - begun).toBeLessThan(5000);
  const other = { ...hello, conversation: { messages: [{ role: "user", content: "Ho" }], prefix: null } };
  expect(await prompts.chatText(other)).toBe("Ho");
  await prompts.close();
});

test("on a machine so busy that the server stands still a template has more time", async () => {
  const busy = byteTokenizer("{% for a in range(30000) %}{% endfor %}{{ messages[0].content }}");
  const patient = new Maker(busy, { ...settings, templateMs: 60_000 });
  await patient.chatText(hello); // the thread is there
  const begun = performance.now();
  await patient.chatText(hello);
  const usualMs = performance.now() - begun;
  await patient.close();
  const prompts = new Maker(busy, { ...settings, templateMs: usualMs / 2 });
  const still = (): void => {
    const end = performance.now() + usualMs / 2;
    while (performance.now() < end);
  };
  const asked = prompts.chatText(hello).finally(() => clearInterval(timer));
  const timer = setInterval(still, 1);
  expect(await asked).toBe("Hi");
  await prompts.close();
});

test("a template that makes too much text, or takes too much memory, is refused", async () => {
  const long = new Maker(byteTokenizer("{% for a in range(200000) %}0123456789{% endfor %}"), {
    ...settings,
    templateMs: 40_000, // The length must be what ends it, however slow the machine is.
  });
  await expect(long.chat(hello)).rejects.toMatchObject({ status: 400, message: expect.stringContaining("characters") });
  await long.close();
  const doubling = `{% set ns = namespace(l=[1,2,3,4,5,6,7,8]) %}{% for a in range(40) %}{% set ns.l = ns.l + ns.l %}{% endfor %}{{ ns.l|length }}`;
  const huge = new Maker(byteTokenizer(doubling), { ...settings, templateMs: 2000 });
  await expect(huge.chat(hello)).rejects.toMatchObject({ status: 400, code: "chat_template_error" });
  await huge.close();
}, 60_000);

test("long texts become the same tokens in another thread, and hold up nobody", async () => {
  const prompts = new Maker(byteTokenizer(), settings);
  await prompts.encode("x".repeat(1001)); // the thread is there
  const long = "let x = 1;\n".repeat(200_000);
  const expected = byteTokenizer().encode(long);
  const encoded = prompts.encode(long);
  expect(await turnsDuring(encoded)).toBeGreaterThan(50);
  expect(Buffer.compare(Buffer.from((await encoded).buffer), Buffer.from(expected.buffer))).toBe(0);
  await prompts.close();
});
