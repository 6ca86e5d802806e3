/** From flags to figures: answers come from an endpoint that plays a model, and are judged as for a user. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { CannedEndpoint } from "../../test/eval/cannedEndpoint.js";

let endpoint: CannedEndpoint;
beforeAll(async () => {
  endpoint = await CannedEndpoint.start();
});
afterAll(() => endpoint.close());

test("formulas are compared by what they mean", async () => {
  const row = (problem: string, answer: string): object => ({ problem, answer, solution: "", subject: "", level: 1 });
  endpoint.put("HuggingFaceH4/MATH-500/test.jsonl", [
    row("What is half of one?", "\\frac{1}{2}"),
    row("Add x to itself.", "2x"),
    row("What is 7 times 8?", "56"),
  ]);
  const { results, config } = await endpoint.evaluate("math_500", [
    ["half of one", "It is \\boxed{0.5}."],
    ["Add x", "It is \\boxed{x + x}."],
    ["7 times 8", "It is \\boxed{54}."],
  ]);
  expect(results.math_500?.["exact_match,none"]).toBeCloseTo(2 / 3, 12);
  expect(config.grader).toBe("fathom-verify 1");
});

test("a group leaves out what needs a permission, and says so; by its name it is refused", async () => {
  const { left_out: leftOut, results } = await endpoint.evaluate("problems", [], { metadata: '{"problems":1}' });
  const reason = "generated programs are run to score it; allow that with --confirm-run-unsafe-code";
  expect(leftOut).toEqual({ problems_code_python: reason, problems_code_javascript: reason });
  expect(Object.keys(results)).toHaveLength(9); // the group and eight of ten families
  await expect(endpoint.evaluate("problems,problems_code_python", [])).rejects.toThrow(
    `eval: problems_code_python: ${reason}; or keep the answers with --predict-only`,
  );
  await expect(endpoint.evaluate("problems_lists,humaneval_mul", [])).rejects.toThrow(
    `eval: humaneval_mul_python: ${reason}`,
  );
});
