import { expect, test } from "vitest";
import { promptOf, scoresOf, taskNamed } from "../../../test/eval/tryTask.js";

const doc = {
  repo: "owls/nest",
  instance_id: "owls__nest-12",
  base_commit: "c0ffee",
  patch: "diff --git a/nest.py b/nest.py\n",
  test_patch: "",
  problem_statement: "The nest is empty.",
  hints_text: "",
  created_at: "2020-01-01",
  version: "1.2",
  FAIL_TO_PASS: '["test_nest.py::test_full"]',
  PASS_TO_PASS: '["test_nest.py::test_a", "test_nest.py::test_b"]',
  environment_setup_commit: "c0ffee",
  difficulty: "<15 min fix",
};
const files = [{ path: "nest.py", content: "eggs = 0" }];

test("swe_bench_verified shows the issue and the files", () => {
  expect(promptOf("swe_bench_verified", { ...doc, files }).prompt).toBe(
    "Resolve this issue of the project owls/nest.\n\n<issue>\nThe nest is empty.\n</issue>\n\n" +
      '<file path="nest.py">\neggs = 0\n</file>\n\n' +
      "Think about the cause first. Then give one patch as a unified diff against these files in a ```diff block, with paths as above " +
      "behind a/ and b/. Change no tests.",
  );
  expect(() => promptOf("swe_bench_verified", doc)).toThrow(
    "owls__nest-12 needs files of a checkout of owls/nest at c0ffee: put those that the patch may change into a column",
  );
});

test("the patch is cut out of the answer", () => {
  const [pipeline] = taskNamed("swe_bench_verified").pipelines;
  const diff = "--- a/nest.py\n+++ b/nest.py\n@@ -1 +1 @@\n-eggs = 0\n+eggs = 3\n";
  expect(pipeline?.apply([`So:\n\`\`\`diff\n${diff}\`\`\`\n`, "I cannot."], doc, null)).toEqual([diff, ""]);
});

test("resolving is left to the official runner, with the number of tests it has to run", async () => {
  await expect(scoresOf("swe_bench_verified", { ...doc, files }, ["x"])).rejects.toThrow(
    "owls__nest-12: its 3 tests run in the container of owls/nest 1.2, which is not here; answer with --predict_only",
  );
  await expect(scoresOf("swe_bench_verified", { ...doc, files, PASS_TO_PASS: "a" }, ["x"])).rejects.toThrow(
    "SWE-bench owls__nest-12: tests must be a JSON list",
  );
});
