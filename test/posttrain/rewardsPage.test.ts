/** docs/rewards.md does what it says: its file is run, its table is recomputed, its list is that of the code. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { builtinRewards, openRewards } from "../../src/posttrain/reward/openRewards.js";
import { defaultTimeoutMs } from "../../src/posttrain/reward/reward.js";
import { scoreSamples } from "../../src/posttrain/reward/scoreSamples.js";
import { sampleOf } from "./samples.js";

const page = readFileSync(new URL("../../docs/rewards.md", import.meta.url), "utf8");
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-page-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Cells of the rows of the table that begins with this heading. */
function table(heading: string): string[][] {
  const rest = page.slice(page.indexOf(`| ${heading} |`));
  const rows = rest.slice(0, rest.indexOf("\n\n")).split("\n").slice(2);
  return rows.map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim().replace(/^`(.*)`$/, "$1")),
  );
}

test("the file of the page gives the scores of the page", async () => {
  const [, code] = /```ts\n(\/\/ my-reward\.ts\n.*?)```/s.exec(page) ?? [];
  const [, command] = /npx fathom grpo --reward (\S+)/.exec(page) ?? [];
  expect(command).toBe("./my-reward.ts");
  const path = join(folder, "my-reward.ts");
  writeFileSync(path, code ?? "");
  const rows = table("answer");
  expect(rows).toHaveLength(3);
  const samples = rows.map(([text = "", ended]) =>
    sampleOf(text, { finishReason: ended === "length" ? "length" : "stop", row: { answer: "79" } }),
  );
  const { rewards, close } = await openRewards([path], { column: null, maxLength: 100, sandbox: null });
  try {
    expect(rewards.map(({ name, weight, timeoutMs }) => ({ name, weight, timeoutMs }))).toEqual([
      { name: "brief", weight: 0.5, timeoutMs: 2000 },
      { name: "lastNumber", weight: 1, timeoutMs: 60_000 },
    ]);
    const { parts, total, metrics } = await scoreSamples(rewards, samples);
    expect(parts.lastNumber).toEqual(rows.map(([, , score]) => (score === "null" ? null : Number(score))));
    expect(parts.brief).toEqual(rows.map(([, , , score]) => Number(score)));
    rows.forEach(([, , , , sum], i) => {
      expect(total[i]).toBeCloseTo(Number(sum), 12);
    });
    expect(metrics["brief/words"]).toEqual([3, 3, 5]);
  } finally {
    await close();
  }
});

test("the built-in rewards of the page are those of the code, and so are the numbers in its text", () => {
  const listed = Object.entries(builtinRewards).map(([name, { description }]) => [name, description]);
  expect(table("name")).toEqual(listed);
  expect(page).toContain(`\`timeoutMs\` (${defaultTimeoutMs.toLocaleString("en")})`);
});

test("the fields of the page are those of a sample", () => {
  const fields = table("field").flatMap(([cell = ""]) => cell.replaceAll("`", "").split(", "));
  expect(fields.sort()).toEqual(Object.keys(sampleOf("")).sort());
});
