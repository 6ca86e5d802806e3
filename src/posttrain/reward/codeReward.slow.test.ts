import { afterAll, beforeAll, expect, test } from "vitest";
import { sampleOf, scoresOf } from "../../../test/posttrain/samples.js";
import { openSandbox, type Sandbox } from "../../sandbox/sandbox.js";
import { codeReward, testsOf } from "./codeReward.js";

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await openSandbox({ runUnsafeCode: true, processes: 2 });
});
afterAll(() => sandbox.close());

const fenced = (code: string, language = "python"): string => `Here it is:\n\`\`\`${language}\n${code}\n\`\`\`\nDone.`;
const row = { tests: ["assert f(1) == 2", "assert f(2) == 3", "assert f(3) == 4", "assert f(4) == 5"] };

test("all tests or a share of them", async () => {
  const samples = [
    sampleOf(fenced("def f(x):\n    return x + 1"), { row }),
    sampleOf(fenced("def f(x):\n    return x + 1 if x < 4 else 0"), { row }),
    sampleOf("def f(x):\n    return x + 1", { row }),
    sampleOf(`<think>\n${fenced("def f(x):\n    return x + 1")}\n</think>\nno code`, { row }),
    sampleOf(`${fenced("def f(x): return 0")}\nNo, better:\n${fenced("f = lambda x: x + 1", "")}`, { row }),
    sampleOf(fenced("import os\nos._exit(0)"), { row }),
    sampleOf(fenced("def f(x):\n    return x + 1"), { row: { tests: ["assert ("] } }),
  ];
  expect(scoresOf(await codeReward({ sandbox })(samples))).toEqual([1, 0, 0, 0, 1, 0, null]);
  expect(scoresOf(await codeReward({ sandbox, scale: "fraction" })(samples))).toEqual([1, 0.75, 0, 0, 1, 0, null]);
});

test("the block's language decides, and each kind of row is judged", async () => {
  const mbpp = { test_list: ["assert double(K) == 10"], test_setup_code: "K = 5" };
  const scores = await codeReward({ sandbox })([
    sampleOf(fenced("const f = (x) => x + 1;", "js"), { row: { tests: ["assert.equal(f(1), 2)"] } }),
    sampleOf(fenced("def double(x):\n    return 2 * x"), { row: mbpp }),
    sampleOf(fenced("print(int(input()) * 2)"), { row: { inputs: ["1\n", "2\n"], outputs: ["2", "4\n"] } }),
    sampleOf(fenced("class Solution:\n    def f(self, a, b):\n        return a + b"), {
      row: { inputs: [[1, 2]], outputs: [3], fn_name: "Solution.f" },
    }),
    sampleOf(fenced("def sum(x):\n    return x"), { row: { tests: ["assert sum(5) == 5"], entry_point: "sum" } }),
  ]);
  expect(scores).toEqual(Array(5).fill({ score: 1, hasCode: 1, timeout: 0 }));
});

test("a hanging program scores 0 and is counted", async () => {
  const hang = sampleOf(fenced("def f(x):\n    while True: pass"), { row });
  expect(await codeReward({ sandbox, timeoutMs: 500 })([hang])).toEqual([{ score: 0, hasCode: 1, timeout: 1 }]);
});

test("a row without tests is named, with its columns", () => {
  expect(() => testsOf({ row: { question: "?", tests: [] } })).toThrow("its columns are: question, tests");
  expect(() => testsOf({ row: { inputs: ["1"], outputs: [] } })).toThrow("of the same length");
  expect(() => testsOf({ row: { tests: { kind: "calls", entryPoint: "f", cases: [{ args: 1 }] } } })).toThrow(
    "a row needs tests",
  );
});
