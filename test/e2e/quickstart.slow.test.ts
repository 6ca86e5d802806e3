/** The main job in half a minute on the repository's own sources: too short to learn sums, long enough to go through every stage. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fathom, fathomJson } from "./command.js";

let folder = "";
let run = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-quickstart-"));
  run = join(folder, "quick");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const quickstart = (...flags: string[]): string[] => [
  "quickstart",
  "--minutes",
  "0.5",
  "--data",
  "src",
  "--out",
  run,
  ...flags,
];

test("it pre-trains, teaches sums by examples and by reinforcement, measures each, and reports all of it on one page", async () => {
  const told = await fathomJson(quickstart(), { maxSeconds: 400 });
  expect(told).toMatchObject({
    run,
    reason: "finished",
    alignment: { exactMatch: { base: 0 }, isInterrupted: false },
    report: join(run, "report.html"),
  });
  const { exactMatch, steps } = told.alignment as {
    exactMatch: Record<"sft" | "grpo", number>;
    steps: Record<"sft" | "grpo", number>;
  };
  for (const stage of ["sft", "grpo"] as const) {
    expect(steps[stage]).toBeGreaterThanOrEqual(1);
    expect(exactMatch[stage]).toBeGreaterThanOrEqual(0);
    expect(JSON.parse(readFileSync(join(`${run}-${stage}`, "run.json"), "utf8"))).toMatchObject({ stage });
  }
  const page = readFileSync(join(run, "report.html"), "utf8");
  for (const heading of ["<h2>Learning</h2>", "<h2>sft</h2>", "<h2>grpo</h2>", "Held-out problems"])
    expect(page).toContain(heading);
});

test("later stages of a run that is gone are not taken for this one's", async () => {
  rmSync(run, { recursive: true });
  const { code, stderr } = await fathom(quickstart());
  expect(code).toBe(1);
  expect(stderr).toContain(`${run}-sft, ${run}-grpo: of a run that is gone; --fresh throws it away`);
  expect(existsSync(`${run}-sft`)).toBe(true);
});
