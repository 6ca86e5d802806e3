/**
 * Direct preference optimisation (Rafailov et al. 2023) and two relatives, as arithmetic on summed log-probabilities; post-training.md 10.
 *
 *   h = beta [(log pi(y_c) - log ref(y_c)) - (log pi(y_r) - log ref(y_r))],   loss = -log sigma(h)
 */
import { logSigmoid, sigmoid } from "./sigmoid.js";

export interface DpoOptions {
  readonly beta: number;
  /** sigmoid: the paper's. ipo: (h / beta - 1 / (2 beta))^2. hinge: max(0, 1 - h). */
  readonly loss: "sigmoid" | "ipo" | "hinge";
  /** Share of labels taken to be the wrong way round, for the sigmoid loss. */
  readonly labelSmoothing: number;
  /** Factor of the mean negative log-probability of the chosen answer's tokens, which keeps it likely; 0: none. */
  readonly sft: number;
}

export const defaultDpo: DpoOptions = { beta: 0.1, loss: "sigmoid", labelSmoothing: 0, sft: 0 };

/** Sums over the tokens of one answer. */
export interface AnswerLogprobs {
  readonly policy: number;
  readonly reference: number;
  readonly tokens: number;
}

export interface PreferencePair {
  readonly chosen: AnswerLogprobs;
  readonly rejected: AnswerLogprobs;
}

export interface DpoLoss {
  /** Mean over the pairs. */
  readonly loss: number;
  /** d loss / d (summed log-probability), for each pair. */
  readonly gradients: readonly { readonly chosen: number; readonly rejected: number }[];
  /** Implicit rewards beta (log pi - log ref): means over the pairs; accuracy counts a tie as wrong. */
  readonly rewards: {
    readonly chosen: number;
    readonly rejected: number;
    readonly margin: number;
    readonly accuracy: number;
  };
}

/** @param total pairs of the whole step, where these are a part of it @throws RangeError for numbers that are not finite */
export function dpoLoss(pairs: readonly PreferencePair[], options: DpoOptions, total = pairs.length): DpoLoss {
  const sums = { loss: 0, chosen: 0, rejected: 0, right: 0 };
  const gradients = pairs.map(({ chosen, rejected }, i) => {
    const rewards = [chosen, rejected].map(({ policy, reference }) => options.beta * (policy - reference));
    const [good = 0, bad = 0] = rewards;
    if (!Number.isFinite(good) || !Number.isFinite(bad)) {
      throw new RangeError(`DPO: pair ${i}: implicit rewards ${good} and ${bad} are not finite`);
    }
    const { value, slope } = lossOf(good - bad, options);
    const sft = (options.sft * -chosen.policy) / Math.max(1, chosen.tokens);
    sums.loss += value + sft;
    sums.chosen += good;
    sums.rejected += bad;
    sums.right += good > bad ? 1 : 0;
    const factor = (slope * options.beta) / total;
    return { chosen: factor - options.sft / Math.max(1, chosen.tokens) / total, rejected: -factor };
  });
  const mean = (sum: number): number => (pairs.length > 0 ? sum / pairs.length : 0);
  return {
    loss: sums.loss / total,
    gradients,
    rewards: {
      chosen: mean(sums.chosen),
      rejected: mean(sums.rejected),
      margin: mean(sums.chosen - sums.rejected),
      accuracy: mean(sums.right),
    },
  };
}

function lossOf(
  h: number,
  { loss, beta, labelSmoothing }: DpoOptions,
): { readonly value: number; readonly slope: number } {
  switch (loss) {
    case "sigmoid":
      return {
        value: -(1 - labelSmoothing) * logSigmoid(h) - labelSmoothing * logSigmoid(-h),
        slope: -(1 - labelSmoothing) * sigmoid(-h) + labelSmoothing * sigmoid(h),
      };
    case "ipo": {
      const distance = h / beta - 1 / (2 * beta);
      return { value: distance * distance, slope: (2 * distance) / beta };
    }
    case "hinge":
      return h < 1 ? { value: 1 - h, slope: -1 } : { value: 0, slope: 0 };
    default:
      return loss satisfies never;
  }
}
