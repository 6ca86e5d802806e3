/** The built-in rewards by name, and the rewards that a command was given: names, files, and reward models. */
import type { Sandbox } from "../../sandbox/sandbox.js";
import type { Expert } from "../ask/expert.js";
import type { JudgeOptions } from "../judge/judge.js";
import { accuracyReward, boxedReward, choiceReward, exactReward } from "./answerRewards.js";
import { codeReward } from "./codeReward.js";
import {
  codeFormatReward,
  reasoningStepsReward,
  tagCountReward,
  thinkAnswerFormatReward,
  thinkFormatReward,
} from "./formatRewards.js";
import { languageReward } from "./languageReward.js";
import { cosineReward, kimiLengthReward, repetitionReward, softOverlongReward } from "./lengthRewards.js";
import { type Reward, type RewardFunction, reward } from "./reward.js";
import { openRewardFile } from "./rewardFile.js";

/** What built-in rewards are made from. */
export interface RewardContext {
  /** Column of the gold answer; null: `answer`, `gold` or `solution`. */
  readonly column: string | null;
  /** Longest completion, in tokens. */
  readonly maxLength: number;
  /** Tokens before it in which `soft-overlong` rises. Default: a fifth of it, as in DAPO. */
  readonly overlongBuffer?: number;
  /** For `language`: the code of the wanted language. */
  readonly language?: string;
  /** Opens who answers as a judge, for judge:MODEL; default: there is none. */
  readonly openJudge?: (model: string) => Promise<Expert>;
  readonly judging?: Partial<JudgeOptions>;
  /** For `code`: null unless running a model's code was confirmed. */
  readonly sandbox: Sandbox | null;
}

interface Builtin {
  /** One line for a list. */
  readonly description: string;
  readonly make: (context: RewardContext) => RewardFunction;
}

const columnOf = ({ column }: RewardContext): { readonly column?: string } => (column === null ? {} : { column });

export const builtinRewards = {
  boxed: {
    description: "1 if the boxed answer equals the row's, mathematically",
    make: (c) => boxedReward(columnOf(c)),
  },
  accuracy: { description: "the same, with or without a box", make: (c) => accuracyReward(columnOf(c)) },
  exact: { description: "1 if the answer is the row's, word for word", make: (c) => exactReward(columnOf(c)) },
  choice: { description: "1 if the letter of a multiple choice is the row's", make: (c) => choiceReward(columnOf(c)) },
  "think-format": { description: "1 for one closed <think> at the beginning", make: () => thinkFormatReward() },
  "think-answer-format": {
    description: "1 for <think> and <answer>, each on lines of their own",
    make: () => thinkAnswerFormatReward(),
  },
  "tag-count": { description: "a quarter for each of the four tags that is there once", make: () => tagCountReward() },
  "reasoning-steps": { description: "a third for each mark of a step, up to 1", make: () => reasoningStepsReward() },
  "kimi-length": {
    description: "0.5 for the shortest right answer of a group to -0.5 for the longest",
    make: (c) => kimiLengthReward({ correct: boxedReward(columnOf(c)) }),
  },
  cosine: {
    description: "right answers 1 to 0.5, wrong ones -1 to -0.5, the longer the nearer",
    make: (c) => cosineReward({ maxLength: c.maxLength, correct: boxedReward(columnOf(c)) }),
  },
  repetition: { description: "0 to -1: the share of repeated runs of three words", make: () => repetitionReward() },
  "soft-overlong": {
    description: "0 to -1 for answers that come near the longest",
    make: ({ maxLength, overlongBuffer = Math.max(1, Math.floor(maxLength / 5)) }) =>
      softOverlongReward({ maxLength, buffer: overlongBuffer }),
  },
  code: {
    description: "1 if the program in the answer passes all tests of the row",
    make: (c) => codeReward({ sandbox: sandboxOf(c, "code") }),
  },
  "code-fraction": {
    description: "the share of the row's tests that the program passes",
    make: (c) => codeReward({ sandbox: sandboxOf(c, "code-fraction"), scale: "fraction" }),
  },
  "code-format": { description: "1 for think and answer with a block of code in it", make: () => codeFormatReward() },
  language: {
    description: "the share of the thought's words in one language",
    make({ language }) {
      if (language === undefined) throw new RangeError("reward language: which one? Give its code, such as en or zh");
      return languageReward({ language });
    },
  },
} as const satisfies Readonly<Record<string, Builtin>>;

export type BuiltinName = keyof typeof builtinRewards;

function sandboxOf({ sandbox }: RewardContext, name: string): Sandbox {
  if (sandbox === null) {
    throw new RangeError(
      `reward ${name}: it runs programs that the model writes; allow that with --confirm-run-unsafe-code`,
    );
  }
  return sandbox;
}

/** Whether one of them needs a sandbox. */
export function needsSandbox(specifiers: readonly string[]): boolean {
  return specifiers.some((name) => name === "code" || name === "code-fraction");
}

export interface OpenedRewards {
  readonly rewards: readonly Reward[];
  readonly close: () => Promise<void>;
}

const modelPrefix = "model:";
const judgePrefix = "judge:";
/** A model in this process cannot be hurried, and an endpoint is asked again by its own rules: scores are waited for. */
const modelTimeoutMs = 3_600_000;

/**
 * @param specifiers built-in names, paths of files (each with a slash or an ending), model:DIR, what `fathom reward` made, and judge:MODEL
 * @param weights one for each reward, in order; null: those of the files, and 1
 * @throws RangeError for an unknown name, a file that does not load, or another number of weights
 */
export async function openRewards(
  specifiers: readonly string[],
  context: RewardContext,
  weights: readonly number[] | null = null,
): Promise<OpenedRewards> {
  if (specifiers.length === 0)
    throw new RangeError(`rewards: name at least one of ${Object.keys(builtinRewards).join(", ")}, or a file`);
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(closers.map((closer) => closer()));
  };
  try {
    const found: Reward[] = [];
    for (const specifier of specifiers) {
      if (isBuiltin(specifier)) found.push(reward(specifier, builtinRewards[specifier].make(context)));
      else if (specifier.startsWith(modelPrefix)) {
        const { openRewardModel } = await import("../preference/rewardModel.js");
        const { modelReward } = await import("../preference/modelReward.js");
        const model = openRewardModel(specifier.slice(modelPrefix.length));
        closers.push(async () => model[Symbol.dispose]());
        found.push(reward(specifier, modelReward(model), { timeoutMs: modelTimeoutMs }));
      } else if (specifier.startsWith(judgePrefix)) {
        if (!context.openJudge) throw new RangeError(`reward ${specifier}: no judges can be opened here`);
        const { Judge } = await import("../judge/judge.js");
        const { judgeReward } = await import("../judge/judgeReward.js");
        const expert = await context.openJudge(specifier.slice(judgePrefix.length));
        closers.push(async () => expert[Symbol.asyncDispose]());
        const score = judgeReward(new Judge(expert, context.judging), context.column, expert.atOnce);
        found.push(reward(specifier, score, { timeoutMs: modelTimeoutMs }));
      } else if (/[/\\]|\.[cm]?[jt]s$/.test(specifier)) {
        const file = await openRewardFile(specifier);
        closers.push(file.close);
        found.push(...file.rewards);
      } else {
        const names = Object.keys(builtinRewards).join(", ");
        throw new RangeError(
          `reward ${specifier}: no such built-in reward; there are ${names}. A file needs a path, such as ./${specifier}.ts, a reward model its directory: model:DIR, a judge who answers: judge:MODEL or judge:URL`,
        );
      }
    }
    if (weights !== null && weights.length !== found.length) {
      const names = found.map(({ name }) => name).join(", ");
      throw new RangeError(`rewards: ${weights.length} weights for ${found.length} rewards (${names})`);
    }
    return { rewards: found.map((one, i) => ({ ...one, weight: weights?.[i] ?? one.weight })), close };
  } catch (error) {
    await close();
    throw error;
  }
}

function isBuiltin(name: string): name is BuiltinName {
  return Object.hasOwn(builtinRewards, name);
}
