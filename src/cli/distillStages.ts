/** The stages that `fathom distill run` trains in: an expert on both forms, the expert as a policy, a student; and how good each is. */
import { join } from "node:path";
import { files } from "../posttrain/distill/records.js";
import type { Accuracy, ProblemChoice } from "../posttrain/grpo/problems.js";
import { openRules, type RuleFlags } from "./distillRules.js";
import type { StageFlags } from "./stageOptions.js";

/** What a stage is told. */
export interface StageChoice {
  readonly directory: string;
  /** The model to begin with. */
  readonly base: string;
  readonly learningRate: number;
  readonly seed: number;
  readonly length?: number;
  readonly threads?: number;
}

export interface SupervisedChoice extends StageChoice {
  readonly epochs: number;
  readonly batch: number;
}

/** Where the stages are. */
export const stageFolders = { expert: "expert", policy: "expert-rl", student: "student" } as const;

/** @returns whether the stage is done; else a signal ended it, and it goes on later */
export async function trainExpert(choice: SupervisedChoice): Promise<boolean> {
  return supervised(choice, stageFolders.expert, { data: [join(choice.directory, files.forms)] });
}

/** @returns as `trainExpert` */
export async function trainStudent(choice: SupervisedChoice): Promise<boolean> {
  const { statSync } = await import("node:fs");
  const [training, validation] = [files.sft, files.validation].map((name) => join(choice.directory, name)) as [
    string,
    string,
  ];
  const heldOut = statSync(validation).size > 0 ? { validationData: [validation] } : { validationFraction: 0 };
  return supervised(choice, stageFolders.student, { data: [training], ...heldOut });
}

async function supervised(
  choice: SupervisedChoice,
  folder: string,
  data: { readonly data: readonly string[]; readonly validationData?: readonly string[] },
): Promise<boolean> {
  const { runSft } = await import("./sft.js");
  const { epochs, batch } = choice;
  const { isInterrupted } = await runSft({ ...stageFlags(choice, folder), ...data, epochs, batch, samples: 0 });
  return !isInterrupted;
}

export interface PolicyChoice extends StageChoice {
  readonly warmupSteps: number;
  readonly steps: number;
  readonly promptsPerStep: number;
  readonly groupSize: number;
  readonly temperature: number;
  readonly maxNewTokens: number;
  readonly rules: RuleFlags;
  /** Held-out problems to measure on, and how many; null: there are none of the prompts' kind. */
  readonly evaluation: { readonly choice: ProblemChoice; readonly count: number } | null;
}

/** Reinforcement learning without the system prompt. @returns as `trainExpert` */
export async function trainPolicy(choice: PolicyChoice): Promise<boolean> {
  const { askedPrompts, verdictScorer } = await import("../posttrain/distill/policy.js");
  const { reasoningPrompts } = await import("../posttrain/distill/steps.js");
  const { grpo } = await import("../posttrain/grpo/grpo.js");
  const { askedProblems, problemAccuracy } = await import("../posttrain/grpo/problems.js");
  const { defaultGrpo } = await import("../posttrain/grpo/options.js");
  const { defaultStageSettings } = await import("../posttrain/settings.js");
  const { printer } = await import("./progress.js");
  const { stageSettings } = await import("./stageOptions.js");
  const { inStage } = await import("./stageSession.js");
  const prompts = reasoningPrompts(choice.directory);
  const asked = { ...stageFlags(choice, stageFolders.policy), warmupSteps: choice.warmupSteps };
  await using rules = await openRules(choice.rules, prompts);
  return await inStage(asked, "grpo", async (flags, { directory, config, tokenizer }, session) => {
    const defaults = defaultStageSettings(config);
    const settings = stageSettings(flags, {
      ...defaults,
      learningRate: 1e-6,
      minLearningRate: 1e-6,
      alpha: 0,
      validateEvery: 25,
    });
    const { steps, promptsPerStep, groupSize, temperature, maxNewTokens: maxTokens, evaluation } = choice;
    const questions = askedPrompts(tokenizer, prompts, rules.verifiers);
    const heldOut = evaluation ? askedProblems(tokenizer, "heldout", evaluation.count, evaluation.choice) : [];
    session.trains("grpo");
    const events = grpo({
      run: flags.out,
      base: directory,
      config,
      settings,
      options: {
        ...defaultGrpo,
        steps,
        promptsPerStep,
        rollout: { ...defaultGrpo.rollout, groupSize, temperature, maxTokens },
        loss: { ...defaultGrpo.loss, maxLength: maxTokens },
      },
      tokenizer,
      records: [],
      asked: { ...flags },
      grid: session.grid,
      resumeFrom: session.resumeFrom?.path ?? null,
      prompts: questions,
      scorer: verdictScorer(questions, rules.verifiers, session.signal),
      evaluate:
        heldOut.length === 0 ? null : async (model) => ({ ...(await problemAccuracy(model, heldOut, maxTokens)) }),
      signal: session.signal,
    });
    const print = printer();
    for (;;) {
      const { value, done } = await events.next();
      if (done) return value.reason === "finished";
      print(value);
    }
  });
}

/** How a model answers held-out problems, greedily, with each of these system prompts. @param systems null: none */
export async function measureModel(
  model: string,
  evaluation: NonNullable<PolicyChoice["evaluation"]>,
  systems: readonly (string | null)[],
  maxNewTokens: number,
  threads: number | undefined,
): Promise<Accuracy[]> {
  const { askedProblems, problemAccuracy } = await import("../posttrain/grpo/problems.js");
  const { openEngine } = await import("./engine.js");
  await using engine = await openEngine(model, { ...(threads === undefined ? {} : { threads }), maxBatch: 64 });
  const { tokenizer } = engine;
  if (!tokenizer) throw new RangeError(`${model}: no tokenizer.json: it cannot be asked in words`);
  const { count, choice } = evaluation;
  const measured: Accuracy[] = [];
  for (const system of systems) {
    const asked = askedProblems(tokenizer, "heldout", count, choice, system);
    measured.push(await problemAccuracy(engine, asked, maxNewTokens));
  }
  return measured;
}

/** A stage goes on where it was stopped; where there is none, it begins. */
function stageFlags({ directory, base, learningRate, seed, length, threads }: StageChoice, folder: string): StageFlags {
  return {
    model: base,
    out: join(directory, folder),
    resume: true,
    learningRate,
    seed,
    ...(length === undefined ? {} : { length }),
    ...(threads === undefined ? {} : { threads }),
  };
}
