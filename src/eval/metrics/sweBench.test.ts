import { expect, test } from "vitest";
import { isResolved, patchInAnswer, resolvedShare, sweBenchPredictionLines, sweBenchTests } from "./sweBench.js";

const patch = "diff --git a/x.py b/x.py\n--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-a\n+b\n";

test("predictions are written a line each with the runner's three keys", () => {
  const lines = sweBenchPredictionLines([
    { instance_id: "a__b-1", model_name_or_path: "tiny", model_patch: patch },
    { instance_id: "a__b-2", model_name_or_path: "tiny", model_patch: "" },
  ]);
  expect(lines.endsWith("\n")).toBe(true);
  const rows = lines
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(rows.map(Object.keys)).toEqual(Array(2).fill(["instance_id", "model_name_or_path", "model_patch"]));
  expect(rows[0].model_patch).toBe(patch);
  const twice = { instance_id: "a__b-1", model_name_or_path: "tiny", model_patch: "" };
  expect(() => sweBenchPredictionLines([twice, twice])).toThrow("a__b-1 comes twice");
});

test("a patch is the last fenced diff, else what follows the first header", () => {
  expect(patchInAnswer(`First:\n\`\`\`python\nx = 1\n\`\`\`\nthen\n\`\`\`diff\n${patch}\`\`\`\nDone.`)).toBe(patch);
  expect(patchInAnswer(`Here:\n${patch}`)).toBe(patch);
  expect(patchInAnswer("I cannot.")).toBe("");
});

test("test names are read from the list inside the string", () => {
  expect(sweBenchTests('["t.py::a", "t.py::b"]', "a__b-1")).toEqual(["t.py::a", "t.py::b"]);
  expect(() => sweBenchTests("t.py::a", "a__b-1")).toThrow("SWE-bench a__b-1: tests must be a JSON list");
});

test("an instance is resolved when all tests of both lists passed", () => {
  expect(isResolved(new Set(["a", "b", "c"]), ["a"], ["b"])).toBe(true);
  expect(isResolved(new Set(["a"]), ["a"], ["b"])).toBe(false);
});

test("the runner's report gives the share of instances that it lists as resolved", () => {
  expect(resolvedShare({ resolved_ids: ["a", "b"] }, 8)).toBe(0.25);
  expect(() => resolvedShare({}, 8)).toThrow("resolved_ids");
  expect(() => resolvedShare({ resolved_ids: ["a", "b"] }, 1)).toThrow("2 resolved of 1 instances");
});
