/** The rules that tell right answers from wrong ones, and what they need: running programs has to be allowed. */
import { availableParallelism } from "node:os";
import type { Command } from "commander";
import type { DistillPrompt } from "../posttrain/distill/records.js";
import type { CheckerRules, Verifier } from "../posttrain/distill/scoring.js";
import { grouped, repeated, say } from "./output.js";

export interface RuleFlags {
  readonly confirmRunUnsafeCode?: boolean;
  readonly verifier?: readonly string[];
}

export function withRuleOptions(command: Command): Command {
  return command
    .option("--confirm-run-unsafe-code", "run the programs that are answers, in the sandbox, to test them")
    .option(
      "--verifier <reward>",
      "a reward that an answer must have in full: boxed, choice, ./mine.ts, ...; may be repeated",
      repeated,
    );
}

export interface OpenRules extends AsyncDisposable {
  readonly rules: CheckerRules;
  /** The rules, and what was named beside them. */
  readonly verifiers: readonly Verifier[];
  /** Answers that are worth checking at once. */
  readonly atOnce: number;
}

/** @param prompts whose answers are to be told right or wrong @throws RangeError for a verifier that is not there */
export async function openRules(flags: RuleFlags, prompts: readonly DistillPrompt[]): Promise<OpenRules> {
  const { accuracy, textRules } = await import("../posttrain/distill/scoring.js");
  const atOnce = availableParallelism();
  const programs = prompts.filter(({ checker }) => checker === "tests").length;
  const runs = flags.confirmRunUnsafeCode === true && programs > 0;
  if (programs > 0 && !runs) {
    say(
      `${grouped(programs)} prompts ask for programs, which nobody can tell: --confirm-run-unsafe-code allows to run them`,
    );
  }
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0)) await closer();
  };
  try {
    let rules = textRules;
    let sandbox: import("../sandbox/sandbox.js").Sandbox | null = null;
    if (runs) {
      const { openSandbox } = await import("../sandbox/sandbox.js");
      const { programRule } = await import("../posttrain/distill/programRule.js");
      sandbox = await openSandbox({ runUnsafeCode: true, processes: atOnce });
      closers.push(sandbox.close);
      rules = { ...textRules, tests: programRule(sandbox) };
    }
    const verifiers: Verifier[] = [accuracy(rules)];
    if (flags.verifier) {
      const { openRewards } = await import("../posttrain/reward/openRewards.js");
      const { rewardRule } = await import("../posttrain/distill/rewardRule.js");
      const opened = await openRewards(flags.verifier, { column: null, maxLength: 2048, sandbox });
      closers.push(opened.close);
      for (const { name, score } of opened.rewards) {
        verifiers.push({ name, applies: () => true, verify: rewardRule(score) });
      }
    }
    return { rules, verifiers, atOnce, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}
