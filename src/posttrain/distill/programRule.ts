/** Programs judged by running their tests in the sandbox, which has to be allowed. post-training.md 5.6. */
import { codeTrial } from "../../eval/problems/code.js";
import type { Tests } from "../../sandbox/program.js";
import type { Sandbox } from "../../sandbox/sandbox.js";
import { codeReward } from "../reward/codeReward.js";
import { RowError } from "../reward/reward.js";
import { isGenerated, problemOf } from "./problemPrompts.js";
import { rewardRule } from "./rewardRule.js";
import type { Verify } from "./scoring.js";

/** 1 if every test passes, else 0; null where the tests themselves cannot judge. */
export function programRule(sandbox: Sandbox): Verify {
  const ofFile = rewardRule(codeReward({ sandbox }));
  return async (prompt, completion, signal) => {
    if (!isGenerated(prompt)) {
      try {
        return await ofFile(prompt, completion, signal);
      } catch (error) {
        throw error instanceof RowError ? new RangeError(`prompt ${prompt.id}: ${error.message}`) : error;
      }
    }
    const problem = problemOf(prompt);
    const trial = problem && codeTrial(problem, completion);
    if (!problem?.tests || !trial) return 0;
    const tests = callTests(problem.tests.entry, trial.calls, trial.expected);
    const { outcome } = await sandbox.run({ language: trial.language, program: trial.program, tests });
    return outcome === "invalid" ? null : outcome === "passed" ? 1 : 0;
  };
}

/** Calls as the families write them, `solve([1, 2])`, with their arguments as values. @throws Error for another form */
export function callTests(entry: string, calls: readonly string[], expected: readonly unknown[]): Tests {
  const cases = calls.map((call, i) => {
    const inside = call.startsWith(`${entry}(`) && call.endsWith(")") ? call.slice(entry.length + 1, -1) : null;
    if (inside === null) throw new Error(`internal: the call ${call} is not one of ${entry}`);
    return { args: JSON.parse(`[${inside}]`) as unknown[], expected: expected[i] };
  });
  return { kind: "calls", entryPoint: entry, cases };
}
