/** What `fathom grpo` asks, and how answers are scored: problems made here by their own rule, or prompts of files by reward functions. */
import type { LanguageModel } from "../generate/languageModel.js";
import type { PromptItem } from "../posttrain/data/chatData.js";
import type { GrpoOptions } from "../posttrain/grpo/options.js";
import type { Scorer } from "../posttrain/grpo/scoring.js";
import type { Combination } from "../posttrain/reward/combine.js";
import type { FailurePolicy } from "../posttrain/reward/scoreSamples.js";
import type { StageSettings } from "../posttrain/settings.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { type ReadingFlags, readingOf } from "./dataReading.js";
import { grouped, say } from "./output.js";

export interface QuestionFlags extends ReadingFlags {
  readonly data?: readonly string[];
  readonly validationData?: readonly string[];
  readonly validationFraction?: number;
  readonly reward?: readonly string[];
  readonly rewardWeights?: readonly number[];
  readonly combination?: Combination;
  readonly onRewardFailure?: FailurePolicy;
  readonly answerColumn?: string;
  readonly confirmRunUnsafeCode?: boolean;
  readonly judgeVotes?: number;
  readonly problems?: readonly string[];
  readonly level?: number;
  readonly plain?: boolean;
  readonly evalProblems?: number;
  readonly evalSamples?: number;
}

const defaultEvalProblems = 200;

export interface Questions {
  readonly prompts: readonly { readonly ids: Int32Array }[];
  readonly scorer: Scorer;
  readonly evaluate: ((model: LanguageModel) => Promise<Readonly<Record<string, number>>>) | null;
  readonly close: () => Promise<void>;
}

/** @throws RangeError unless the flags name either problems, or files and rewards */
export async function questionsOf(
  flags: QuestionFlags,
  tokenizer: Tokenizer,
  settings: StageSettings,
  options: GrpoOptions,
): Promise<Questions> {
  if (flags.problems && flags.data) throw new RangeError("--problems and --data: give one of them");
  if (flags.problems && (flags.validationData || flags.validationFraction !== undefined)) {
    throw new RangeError("--validation-data and --validation-fraction go with --data; --problems hold out their own");
  }
  if (flags.problems) return problemQuestions(flags, flags.problems, tokenizer, settings, options);
  if (!flags.data) throw new RangeError("give questions to ask: --problems FAMILY, or --data FILE with --reward NAME");
  if (!flags.reward) throw new RangeError("--data: say how answers are scored: --reward NAME, or a file of your own");
  return dataQuestions(flags, flags.data, flags.reward, tokenizer, settings, options);
}

async function problemQuestions(
  flags: QuestionFlags,
  names: readonly string[],
  tokenizer: Tokenizer,
  settings: StageSettings,
  options: GrpoOptions,
): Promise<Questions> {
  const { familyNamed } = await import("../eval/problems/families.js");
  const { askedProblems, problemAccuracy, problemScorer } = await import("../posttrain/grpo/problems.js");
  if (flags.reward) throw new RangeError("--problems have a rule of their own; --reward goes with --data");
  const choice = {
    families: names.map(familyNamed),
    level: flags.level ?? null,
    phrasing: flags.plain ? "plain" : "varied",
    seed: settings.seed,
  } as const;
  const code = choice.families.find((family) => family.startsWith("code-"));
  if (code) {
    throw new RangeError(
      `--problems ${code}: its answers are programs; make rows (fathom data generate --form prompt) and use --reward code`,
    );
  }
  const asked = askedProblems(tokenizer, "train", Math.max(4096, options.steps * options.promptsPerStep), choice);
  const heldOut = askedProblems(tokenizer, "heldout", flags.evalProblems ?? defaultEvalProblems, choice);
  return {
    prompts: asked,
    scorer: problemScorer(asked),
    evaluate:
      heldOut.length === 0
        ? null
        : async (model) => ({
            ...(await problemAccuracy(model, heldOut, options.rollout.maxTokens)),
            ...(await sampled(model, heldOut, problemScorer(heldOut), flags, settings, options)),
          }),
    close: async () => {},
  };
}

async function dataQuestions(
  flags: QuestionFlags,
  paths: readonly string[],
  rewards: readonly string[],
  tokenizer: Tokenizer,
  settings: StageSettings,
  options: GrpoOptions,
): Promise<Questions> {
  const { loadPrompts } = await import("../posttrain/data/chatData.js");
  const { rewardScorer } = await import("../posttrain/grpo/rewardScorer.js");
  const { needsSandbox, openRewards } = await import("../posttrain/reward/openRewards.js");
  const { openSandbox } = await import("../sandbox/sandbox.js");
  const { heldOutScores } = await import("../posttrain/grpo/heldOut.js");
  const { splitByPrompt } = await import("../posttrain/data/splitRecords.js");
  // Rows of plain prompts are questions of a chat here, unless they are said to be text.
  const read = { plainAs: "chat", ...readingOf(flags) } as const;
  const limits = { maxLength: settings.maxLength, overlong: "drop" } as const;
  const load = (from: readonly string[]): ReturnType<typeof loadPrompts> =>
    loadPrompts({ paths: from, tokenizer, read, ...limits });
  const { items, keys, report } = await load(paths);
  const fraction = flags.validationData ? 0 : (flags.validationFraction ?? 0);
  const split = splitByPrompt(
    items,
    ({ record }) => keys[record] ?? "",
    () => 1,
    { fraction, seed: settings.seed },
  );
  const apart = flags.validationData ? (await load(flags.validationData)).items : split.validation;
  const heldOut = apart.slice(0, flags.evalProblems ?? defaultEvalProblems);
  say(
    `data: ${grouped(report.records)} prompts, ${report.dropped.overlong} of them longer than --length and left out; ` +
      `${grouped(split.training.length)} to ask, ${grouped(heldOut.length)} held out`,
  );
  const sandbox =
    flags.confirmRunUnsafeCode && needsSandbox(rewards) ? await openSandbox({ runUnsafeCode: true }) : null;
  const { openExpert } = await import("./expertOptions.js");
  const context = {
    ...{ column: flags.answerColumn ?? null, maxLength: options.rollout.maxTokens, sandbox },
    openJudge: (model: string) => openExpert({ model }, new AbortController().signal),
    judging: { votes: flags.judgeVotes ?? 1, seed: settings.seed },
  };
  const opened = await openRewards(rewards, context, flags.rewardWeights ?? null);
  const scorerOf = (prompts: readonly PromptItem[]): Scorer =>
    rewardScorer(opened.rewards, prompts, tokenizer, {
      combination: flags.combination ?? "sum-then-normalize",
      onFailure: flags.onRewardFailure ?? "stop",
      onFailures: (failures) => {
        for (const { reward, message, count } of failures) say(`reward ${reward}: ${message} (${count} answers)`);
      },
    });
  const scorer = scorerOf(heldOut);
  return {
    prompts: split.training,
    scorer: scorerOf(split.training),
    evaluate:
      heldOut.length === 0
        ? null
        : async (model) => ({
            ...(await heldOutScores(model, heldOut, scorer, options.rollout)),
            ...(await sampled(model, heldOut, scorer, flags, settings, options)),
          }),
    close: async () => {
      await opened.close();
      await sandbox?.close();
    },
  };
}

/** With --eval-samples, figures of so many samples of each held-out question. */
async function sampled(
  model: LanguageModel,
  questions: readonly { readonly ids: Int32Array }[],
  scorer: Scorer,
  { evalSamples = 0 }: QuestionFlags,
  { seed }: StageSettings,
  { rollout }: GrpoOptions,
): Promise<Readonly<Record<string, number>>> {
  if (evalSamples === 0) return {};
  const { sampledScores } = await import("../posttrain/grpo/heldOut.js");
  return sampledScores(model, questions, scorer, { ...rollout, groupSize: evalSamples }, seed);
}
