/** The rules that tell right answers from wrong ones, and what they need: running programs has to be switched on. */
import { availableParallelism } from "node:os";
import type { Command } from "commander";
import type { CheckerRules } from "../posttrain/distill/scoring.js";

export interface RuleFlags {
  readonly confirmRunUnsafeCode?: boolean;
}

export function withRuleOptions(command: Command): Command {
  return command;
}

export interface OpenRules extends AsyncDisposable {
  readonly rules: CheckerRules;
  /** Answers that are worth checking at once. */
  readonly atOnce: number;
}

export async function checkersOf(_: RuleFlags): Promise<OpenRules> {
  const { textRules } = await import("../posttrain/distill/scoring.js");
  return { rules: textRules, atOnce: availableParallelism(), [Symbol.asyncDispose]: async () => {} };
}
