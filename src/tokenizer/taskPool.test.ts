import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TaskPool } from "./taskPool.js";

/**
 * Worker threads start only from compiled files, so these tests compile the folder and run the result in a process of
 * its own.
 */
const src = resolve(dirname(fileURLToPath(import.meta.url)), "..");
let compiled: string;
beforeAll(() => {
  mkdirSync(join(src, "../build"), { recursive: true });
  compiled = mkdtempSync(join(src, "../build/task-pool-"));
  for (const folder of ["tokenizer", "files"]) {
    mkdirSync(join(compiled, folder));
    for (const name of readdirSync(join(src, folder))) {
      if (!/(?<!\.test)\.ts$/.test(name)) continue;
      const source = readFileSync(join(src, folder, name), "utf8");
      const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
      const { outputText } = ts.transpileModule(source, { compilerOptions });
      writeFileSync(join(compiled, folder, name.replace(/\.ts$/, ".js")), outputText);
    }
  }
  writeFileSync(
    join(compiled, "worker.js"),
    `import { workerData } from "node:worker_threads";
    import { serveTasks } from "./tokenizer/taskPool.js";
    serveTasks((start) => (task) => {
      if (task === "throw") throw new RangeError("no such task");
      if (task === "die") process.exit(3);
      return { answer: start + task };
    });`,
  );
});
afterAll(() => rmSync(compiled, { recursive: true, force: true }));

/** Runs a script that imports from the compiled folder and prints one JSON value. */
function run(script: string): unknown {
  const path = join(compiled, "script.js");
  writeFileSync(path, script);
  const output = execFileSync(process.execPath, [path], { encoding: "utf8", timeout: 60_000 });
  return JSON.parse(output);
}

const makePool = `import { TaskPool } from "./tokenizer/taskPool.js";
  const local = () => { throw new Error("internal: meant for threads"); };
  const pool = new TaskPool(new URL("./worker.js", import.meta.url), local, 100, 2);`;

test("threads answer each task, and an idle pool keeps no process alive", () => {
  const script = `${makePool}
    const answers = await Promise.all([1, 2, 3, 4, 5].map((task) => pool.run(task)));
    answers.push(await pool.run(6, [], 1));
    console.log(JSON.stringify({ size: pool.size, answers }));`;
  expect(run(script)).toEqual({ size: 2, answers: [101, 102, 103, 104, 105, 106] });
});

test("an error of a task reaches the caller and the thread goes on", () => {
  const script = `${makePool}
    const error = await pool.run("throw", [], 0).catch((error) => error);
    console.log(JSON.stringify([error instanceof RangeError, error.message, await pool.run(1, [], 0)]));`;
  expect(run(script)).toEqual([true, "no such task", 101]);
});

test("the death of a thread fails its tasks, waiting and to come, and so does closing the pool", () => {
  const script = `${makePool}
    const message = (promise) => promise.then(() => "answered", (error) => error.message);
    const both = await Promise.all([message(pool.run("die", [], 0)), message(pool.run(1, [], 0))]);
    both.push(await message(pool.run(2, [], 0)), String(await pool.run(3, [], 1)));
    await pool.close();
    both.push(await message(pool.run(4, [], 1)));
    console.log(JSON.stringify(both));`;
  const died = "a worker thread ended with code 3 before its task";
  expect(run(script)).toEqual([died, died, died, "103", "the pool of worker threads is closed"]);
});

test("training and encoding give the same with one, two and three threads", () => {
  const script = `import { trainTokenizer } from "./tokenizer/bpeTrainer.js";
    import { EncodePool } from "./tokenizer/encodePool.js";
    import { readFileSync } from "node:fs";
    const text = readFileSync(${JSON.stringify(fileURLToPath(import.meta.resolve("typescript")))}, "utf8").slice(0, 4e6);
    const texts = [text, ...text.split("\\n").slice(0, 20_000), ""];
    const results = [];
    for (const threads of [1, 2, 3]) {
      const tokenizer = await trainTokenizer(texts, { vocabSize: 1000, threads });
      const pool = new EncodePool(tokenizer, threads);
      const ids = [];
      for await (const each of pool.encodeAll(texts)) ids.push(Buffer.from(each.buffer).toString("base64"));
      results.push({ threads: pool.threads, numTexts: ids.length, same: JSON.stringify([tokenizer.json, ids]) });
      await pool.close();
    }
    const [first] = results;
    console.log(JSON.stringify(results.map((result) => ({ ...result, same: result.same === first.same }))));`;
  const numTexts = 20_002;
  expect(run(script)).toEqual([1, 2, 3].map((threads) => ({ threads, numTexts, same: true })));
});

test("one thread works in this process, uncompiled or not", async () => {
  const pool = new TaskPool(
    new URL("file:///none.js"),
    (start: number) => (task: number) => ({ answer: start + task }),
    1,
    3,
  );
  expect(pool.size).toBe(1);
  expect(await pool.run(2)).toBe(3);
  await pool.close();
});
