/**
 * Metrics of SimpleQA and Chinese SimpleQA from a judge's verdicts. Evaluation specification, 5.6 and 7.7; worked numbers 13.6.
 * A model may decline to answer: what counts beside the share of correct answers is how often it is right when it tries.
 */

export type SimpleQaVerdict = "correct" | "incorrect" | "not_attempted";

export interface SimpleQaScore {
  /** Shares of all questions. */
  readonly correct: number;
  readonly incorrect: number;
  readonly notAttempted: number;
  /** Share of correct among attempted questions; 0 if none was. */
  readonly correctGivenAttempted: number;
  /** Harmonic mean of `correct` and `correctGivenAttempted`. */
  readonly f: number;
}

/** The judge's letter, standing alone: A correct, B incorrect, C not attempted; what holds none of them counts as not attempted. */
export function simpleQaVerdict(judgement: string): SimpleQaVerdict {
  switch (/\b[ABC]\b/.exec(judgement)?.[0]) {
    case "A":
      return "correct";
    case "B":
      return "incorrect";
    default:
      return "not_attempted";
  }
}

export function simpleQaScore(verdicts: readonly SimpleQaVerdict[]): SimpleQaScore {
  if (verdicts.length === 0) throw new RangeError("simpleQaScore: no verdicts to count");
  const share = (wanted: SimpleQaVerdict): number =>
    verdicts.filter((verdict) => verdict === wanted).length / verdicts.length;
  const [correct, incorrect] = [share("correct"), share("incorrect")];
  const attempted = correct + incorrect;
  const correctGivenAttempted = attempted === 0 ? 0 : correct / attempted;
  const sum = correct + correctGivenAttempted;
  return {
    correct,
    incorrect,
    notAttempted: share("not_attempted"),
    correctGivenAttempted,
    f: sum === 0 ? 0 : (2 * correct * correctGivenAttempted) / sum,
  };
}
