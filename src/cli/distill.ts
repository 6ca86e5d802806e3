/**
 * `fathom distill`: reasoning data by way of experts, after the DeepSeek-V3 report, 5.1: prompts, the two forms that an expert learns from, many answers
 * of the expert, the best of them, what a person has reviewed, and the data set of a student. A working directory holds it all; every step goes on
 * where it was stopped.
 */
import { Command } from "commander";
import { generateChatCommand } from "./distillChat.js";
import { formsCommand } from "./distillForms.js";
import { promptsCommand } from "./distillPrompts.js";
import { distillReportCommand } from "./distillReport.js";
import { reviewCommand } from "./distillReview.js";
import { distillRunCommand } from "./distillRun.js";
import { sampleCommand } from "./distillSample.js";
import { scoreCandidatesCommand } from "./distillScore.js";
import { mixCommand, pairsCommand, selectCommand } from "./distillSelect.js";

export function distillCommand(): Command {
  return new Command("distill")
    .description("Make reasoning data: experts answer, the best answers are kept, a student learns from them.")
    .addCommand(distillRunCommand())
    .addCommand(promptsCommand())
    .addCommand(formsCommand())
    .addCommand(sampleCommand())
    .addCommand(scoreCandidatesCommand())
    .addCommand(selectCommand())
    .addCommand(pairsCommand())
    .addCommand(generateChatCommand())
    .addCommand(reviewCommand())
    .addCommand(mixCommand())
    .addCommand(distillReportCommand())
    .addHelpText(
      "after",
      `
Example, after fathom quickstart:
  fathom distill run distilled --model runs/quickstart --family add-subtract --count 10000 --plain \\
    --learning-rate 1.5e-3 --batch 24 --rl-learning-rate 1e-4 --rl-warmup-steps 10 --rl-prompts 32 --rl-steps 20 \\
    --samples 2 --max-new-tokens 208
Each command's --help has one of its own.`,
    );
}
