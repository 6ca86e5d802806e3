import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sampleOf } from "../../../test/posttrain/samples.js";
import { compiledFolder } from "../../files/compiledFolder.js";
import { openRewards, type RewardContext } from "./openRewards.js";
import { openRewardFile } from "./rewardFile.js";
import { scoreSamples } from "./scoreSamples.js";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-rewards-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const samples = [sampleOf("one two", { row: { answer: "two" } }), sampleOf("three", { row: { answer: "two" } })];
const context: RewardContext = { column: null, maxLength: 100, sandbox: null };

test("functions that a TypeScript file exports are rewards, with types, other files and packages", async () => {
  write("words.ts", "export const count = (text: string): number => text.split(/\\s+/).length;");
  mkdirSync(join(folder, "node_modules/a-package"), { recursive: true });
  write("node_modules/a-package/package.json", '{"name": "a-package", "main": "index.cjs"}');
  write("node_modules/a-package/index.cjs", "exports.bonus = 10;");
  const path = write(
    "mine.ts",
    `import type { Nothing } from "nowhere";
     import { bonus } from "a-package";
     import { count } from "./words.js";
     interface Sample { readonly completionText: string; readonly row: { readonly answer: string } }
     enum Unused { A }
     export function words(samples: readonly Sample[]): number[] { return samples.map((s) => count(s.completionText) + bonus); }
     export default async (samples: readonly Sample[]) =>
       samples.map((s) => ({ score: s.completionText.includes(s.row.answer) ? 1 : null, a: Unused.A }));
     export const options = { words: { weight: 0.5, timeoutMs: 5000 } };
     export const notAReward = 5;`,
  );
  const file = await openRewardFile(path);
  try {
    expect(file.rewards.map(({ name, weight, timeoutMs }) => [name, weight, timeoutMs])).toEqual([
      ["mine", 1, 60_000],
      ["words", 0.5, 5000],
    ]);
    const { parts, total, metrics } = await scoreSamples(file.rewards, samples);
    expect(parts).toEqual({ mine: [1, null], words: [12, 11] });
    expect(total).toEqual([7, 5.5]);
    expect(metrics).toEqual({ "mine/a": [0, 0] });
  } finally {
    await file.close();
  }
});

test("a reward that hangs is ended and named, those beside it are not, and the next call works", async () => {
  const path = write(
    "hang.mjs",
    `export const good = (samples) => samples.map(() => 1);
     export function stuck(samples) { if (samples.length === 2) for (;;); return samples.map(() => 2); }
     export const throws = () => { throw new RangeError("no such column: gold"); };
     export const options = { stuck: { timeoutMs: 300 } };`,
  );
  const file = await openRewardFile(path);
  try {
    const { failures, parts } = await scoreSamples(file.rewards, samples, { onFailure: "null" });
    expect(parts).toEqual({ good: [1, 1], stuck: [null, null], throws: [null, null] });
    expect([...failures].sort((a, b) => (a.reward < b.reward ? -1 : 1))).toEqual([
      { reward: "stuck", kind: "timeout", message: "took more than 300 ms", count: 2 },
      { reward: "throws", kind: "threw", message: "RangeError: no such column: gold", count: 2 },
    ]);
    const again = await scoreSamples(file.rewards.slice(0, 2), samples.slice(0, 1));
    expect(again.parts).toEqual({ good: [1], stuck: [2] });
  } finally {
    await file.close();
  }
});

test("what leaves the thread must be plain, and a file may not end its thread", async () => {
  const path = write(
    "odd.mjs",
    "export const functions = (s) => s.map(() => () => 1);\nexport const exits = () => process.exit(3);",
  );
  const file = await openRewardFile(path);
  try {
    const { failures } = await scoreSamples(file.rewards, samples, { onFailure: "zero" });
    expect(failures.map(({ reward, kind }) => [reward, kind]).sort()).toEqual([
      ["exits", "threw"],
      ["functions", "threw"],
    ]);
    expect(failures.find(({ reward }) => reward === "exits")?.message).toContain("its thread ended with code 3");
  } finally {
    await file.close();
  }
});

test("files that are none are refused with their name", async () => {
  const refused = (path: string): Promise<string> =>
    openRewardFile(path).then(
      () => "",
      (error: unknown) => `${error}`,
    );
  expect(await refused(join(folder, "none.ts"))).toContain("none.ts: no such file");
  expect(await refused(write("a.py", ""))).toContain("a.py: a file of rewards ends in .ts, .mts, .js, .mjs or .cjs");
  expect(await refused(write("empty.ts", "export const x: number = 1;"))).toContain("empty.ts: exports no function");
  expect(await refused(write("broken.ts", "export function f( {"))).toMatch(
    /broken\.ts: does not load: SyntaxError: .*broken\.ts:1/,
  );
  expect(await refused(write("missing.mjs", "import './not-there.js';"))).toContain("not-there.js");
  expect(
    await refused(write("weight.mjs", "export const f = () => [];\nexport const options = { f: { weight: '1' } };")),
  ).toContain('options.f: weight and timeoutMs must be numbers, got {"weight":"1"}');
});

test("where Node reads no TypeScript and no compiler is installed, the error says what to do", async () => {
  const { folder: compiled, remove } = await compiledFolder(
    new URL("./rewardFile.ts", import.meta.url).href,
    "fathom-reward-test-",
  );
  const files = await compiledFolder(new URL("../../files/json.ts", import.meta.url).href, "fathom-files-test-");
  try {
    // The same code where nothing is installed.
    const path = write("mine2.ts", "export const f = () => [];");
    const script = `
      const { register } = await import("node:module");
      register("data:text/javascript," + encodeURIComponent(${JSON.stringify(
        `export const resolve = (s, c, n) => n(s.startsWith("../../files/") ? s.replace("../../files/", ${JSON.stringify(
          `${pathToFileURL(files.folder).href}/`,
        )}) : s, c);`,
      )}));
      const { openRewardFile } = await import(${JSON.stringify(pathToFileURL(join(compiled, "rewardFile.js")).href)});
      await openRewardFile(${JSON.stringify(path)}).then(() => console.log("loaded"), (error) => console.log(error.message));
      process.exit();`;
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
      cwd: folder,
    });
    const isRead = "typescript" in process.features && process.features.typescript;
    const expected = isRead ? "loaded" : "does not read TypeScript. Run: npm install --save-dev typescript";
    expect(stdout + stderr).toContain(expected);
  } finally {
    remove();
    files.remove();
  }
});

test("names and files are opened together, and weights are given in their order", async () => {
  const path = write("more.mjs", "export const short = (samples) => samples.map((s) => -s.completionText.length);");
  const opened = await openRewards(["boxed", path, "repetition"], context, [1, 0.25, 2]);
  try {
    expect(opened.rewards.map(({ name, weight }) => [name, weight])).toEqual([
      ["boxed", 1],
      ["short", 0.25],
      ["repetition", 2],
    ]);
  } finally {
    await opened.close();
  }
});

test("unknown names, too few weights and missing switches are refused", async () => {
  await expect(openRewards(["boxd"], context)).rejects.toThrow(
    "reward boxd: no such built-in reward; there are boxed, accuracy, exact, choice,",
  );
  await expect(openRewards(["boxed", "exact"], context, [1])).rejects.toThrow("1 weights for 2 rewards (boxed, exact)");
  await expect(openRewards(["code"], context)).rejects.toThrow("allow that with --confirm-run-unsafe-code");
  await expect(openRewards(["language"], context)).rejects.toThrow("Give its code, such as en or zh");
  await expect(openRewards([], context)).rejects.toThrow("name at least one of boxed");
});
