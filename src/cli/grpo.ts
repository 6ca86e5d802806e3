/** `fathom grpo`: reinforcement learning on questions whose answers can be scored. */
import { Command } from "commander";
import { addPolicyOptions, type PolicyFlags } from "./grpoOptions.js";
import { act, grouped, integerOption, type Outcome, repeated, table } from "./output.js";
import { addStageOptions, type StageFlags } from "./stageOptions.js";

interface GrpoFlags extends StageFlags, PolicyFlags {
  readonly problems?: readonly string[];
  readonly level?: number;
  readonly plain?: boolean;
  readonly evalProblems?: number;
}

export function grpoCommand(): Command {
  const command = new Command("grpo").description("Reinforcement learning with group-relative advantages (GRPO).");
  addPolicyOptions(addStageOptions(command, { learningRate: 1e-6, minLearningRate: 1e-6 }))
    .option("--problems <family>", "ask problems made here: add-subtract, dates, ...; may be repeated", repeated)
    .addOption(integerOption("--level <n>", "one level of them alone, from 1 (default: all in turn)", 1, 9))
    .option("--plain", "one form of question per kind, for very small models")
    .addOption(integerOption("--eval-problems <n>", "held-out problems to measure on (default 200), 0 = none", 0, 1000))
    .addHelpText(
      "after",
      `
Example, after fathom sft on the same family:
  fathom grpo --model runs/sums --problems add-subtract --plain --learning-rate 2e-5 --max-new-tokens 64 --out runs/sums-rl`,
    );
  return act<GrpoFlags>(command, (_, flags) => run(flags));
}

async function run(given: GrpoFlags): Promise<Outcome> {
  const { familyNamed } = await import("../eval/problems/families.js");
  const { grpo } = await import("../posttrain/grpo/grpo.js");
  const { askedProblems, problemAccuracy, problemScorer } = await import("../posttrain/grpo/problems.js");
  const { defaultStageSettings } = await import("../posttrain/settings.js");
  const { policyOptions } = await import("./grpoOptions.js");
  const { printer } = await import("./progress.js");
  const { lastEvaluation } = await import("./recordFiles.js");
  const { stageSettings } = await import("./stageOptions.js");
  const { inStage } = await import("./stageSession.js");
  return inStage(given, "grpo", async (flags, { directory, config, tokenizer }, session) => {
    if (!flags.problems) throw new RangeError("give questions to ask: --problems FAMILY");
    const options = policyOptions(flags);
    const defaults = { ...defaultStageSettings(config), learningRate: 1e-6, minLearningRate: 1e-6, alpha: 0 };
    const { steps: _, ...rates } = flags; // The policy's options hold the number of steps.
    const settings = stageSettings(rates, { ...defaults, validateEvery: 25 });
    const choice = {
      families: flags.problems.map(familyNamed),
      level: flags.level ?? null,
      phrasing: flags.plain ? "plain" : "varied",
      seed: settings.seed,
    } as const;
    const asked = askedProblems(tokenizer, "train", Math.max(4096, options.steps * options.promptsPerStep), choice);
    const heldOut = askedProblems(tokenizer, "heldout", flags.evalProblems ?? 200, choice);
    session.trains("grpo");
    const events = grpo({
      run: flags.out,
      base: directory,
      config,
      settings,
      options,
      tokenizer,
      records: [],
      asked: { ...flags },
      grid: session.grid,
      resumeFrom: session.resumeFrom?.path ?? null,
      prompts: asked,
      scorer: problemScorer(asked),
      evaluate:
        heldOut.length === 0
          ? null
          : async (model) => ({ ...(await problemAccuracy(model, heldOut, options.rollout.maxTokens)) }),
      signal: session.signal,
    });
    const print = printer();
    for (;;) {
      const { value, done } = await events.next();
      if (!done) {
        if (session.isFirst) print(value);
        continue;
      }
      const figures = lastEvaluation(flags.out, "grpo")?.figures ?? {};
      const text = table([
        ["run", value.run],
        ["steps", grouped(value.steps)],
        ["tokens of answers", grouped(value.tokens)],
        ...Object.entries(figures).map(([name, figure]) => [`held-out ${name}`, figure.toFixed(3)]),
        ["tokens per second", grouped(value.tokensPerSecond)],
      ]);
      return { result: { ...value, evaluation: figures }, text, isInterrupted: value.reason === "stopped" };
    }
  });
}
