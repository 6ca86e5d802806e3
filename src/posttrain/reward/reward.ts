/**
 * What a reward is: a plain function from a batch of samples to their scores. Built-in ones (builtin.ts) and a user's (rewardFile.ts) have
 * the same form. Spec: post-training.md section 5.2.
 */

export interface RewardMessage {
  readonly role: string;
  readonly content: string;
}

/** One answer of the model, with all that a reward may want to see. */
export interface RewardSample {
  /** The prompt as the model got it, control tokens included. */
  readonly prompt: string;
  /** The conversation the prompt was made of; empty where there was none. */
  readonly messages: readonly RewardMessage[];
  readonly completionText: string;
  readonly completionIds: ArrayLike<number>;
  /** "stop": the model ended by itself; "length": it was cut. */
  readonly finishReason: "stop" | "length";
  /** The row of the data set, with every column. */
  readonly row: Readonly<Record<string, unknown>>;
  /** Answers to the same prompt share it. */
  readonly group: number;
}

/**
 * A score, null where the reward does not apply to this sample (it leaves the sum), or an object with a score and further numbers, which
 * are logged under the reward's name.
 */
export type Score = number | null | { readonly score: number | null; readonly [metric: string]: number | null };

export type RewardFunction = (samples: readonly RewardSample[]) => readonly Score[] | Promise<readonly Score[]>;

export interface Reward {
  readonly name: string;
  readonly weight: number;
  /** For a whole batch; `score` itself rejects with a DeadlineError when it is over. */
  readonly timeoutMs: number;
  readonly score: RewardFunction;
}

/** A row lacks what a reward needs: a mistake in the data or in the choice of the reward, which is never passed over. */
export class RowError extends RangeError {}

/** A reward took longer than it may. */
export class DeadlineError extends Error {}

export const defaultTimeoutMs = 60_000;

/**
 * A reward whose batches take no longer than they may.
 * @throws RangeError for a weight or a deadline that is none
 */
export function reward(
  name: string,
  score: RewardFunction,
  { weight = 1, timeoutMs = defaultTimeoutMs }: { readonly weight?: number; readonly timeoutMs?: number } = {},
): Reward {
  checkReward(name, weight, timeoutMs);
  return { name, weight, timeoutMs, score: (samples) => withDeadline(score, samples, timeoutMs) };
}

export function checkReward(name: string, weight: number, timeoutMs: number): void {
  if (!Number.isFinite(weight)) throw new RangeError(`reward ${name}: weight must be a number, got ${weight}`);
  if (!(timeoutMs > 0)) throw new RangeError(`reward ${name}: timeoutMs must be positive, got ${timeoutMs}`);
}

async function withDeadline(
  score: RewardFunction,
  samples: readonly RewardSample[],
  timeoutMs: number,
): Promise<readonly Score[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DeadlineError(`took more than ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([(async () => score(samples))(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A reward of one sample at a time. */
export function eachSample(score: (sample: RewardSample, index: number) => Score): RewardFunction {
  return (samples) => samples.map(score);
}

/**
 * The completion with the `<think>` that the template wrote at the end of the prompt, where it did: what the model saw itself writing.
 */
export function textWithThought({ prompt, completionText }: Pick<RewardSample, "prompt" | "completionText">): string {
  const opened = /<think>\s*$/.exec(prompt);
  return opened === null ? completionText : opened[0] + completionText;
}

/** A thought that was opened and never closed: there is no answer yet. */
export function isStillThinking(text: string): boolean {
  return text.lastIndexOf("<think>") > text.lastIndexOf("</think>");
}
