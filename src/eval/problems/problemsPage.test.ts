import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { familyInfo, numHeldOut, problemAt } from "./families.js";
import { familyNames } from "./problem.js";

const page = readFileSync(new URL("../../../docs/problems.md", import.meta.url), "utf8");

test.each(familyNames)("docs/problems.md tells the figures of %s", (family) => {
  const [, row] = new RegExp(`^\\| \`${family}\` \\| (.*) \\|$`, "m").exec(page) ?? [];
  const [, problems, baseline, lengths] = row?.split(" | ") ?? [];
  const heldOut = Array.from({ length: numHeldOut }, (_, i) => problemAt(family, "heldout", 1, i));
  const count = familyInfo(family).levels.reduce((sum, level) => sum + level.count, 0);
  const answers = new Map<string, number>();
  for (const { answer } of heldOut) answers.set(answer, (answers.get(answer) ?? 0) + 1);
  const mean = (of: "solution" | "reasoned"): number =>
    Math.round(heldOut.reduce((sum, problem) => sum + problem[of].length, 0) / numHeldOut);
  expect(problems).toBe(count < 1e12 ? count.toLocaleString("en-US") : count.toExponential(1).replace("+", ""));
  expect(lengths).toBe(`${mean("solution")}, ${mean("reasoned")}`);
  // Of code, code.slow.test.ts counts what one program for all gets right.
  if (!family.startsWith("code-")) expect(baseline).toBe(`${(Math.max(...answers.values()) / 10).toFixed(1)} %`);
});
