/** Programs judged by running their tests in the sandbox, which has to be allowed. post-training.md 5.6. */
import { callTests } from "../../eval/problems/callTests.js";
import { codeTrial } from "../../eval/problems/code.js";
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
    const { language, program } = trial;
    const { outcome } = await sandbox.run({ language, program, tests: callTests(problem.tests) });
    return outcome === "invalid" ? null : outcome === "passed" ? 1 : 0;
  };
}
