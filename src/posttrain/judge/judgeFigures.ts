/** How far a judge can be trusted: how often it agrees with labels, by category, and whether it likes what stands first. post-training.md 6.3. */
import { firstPlaceShare, type Judgement, type PairVote } from "./judge.js";
import type { JudgedRecord } from "./judgeRecords.js";

export interface JudgeFigures {
  readonly records: number;
  /** Without a vote that could be read. */
  readonly unread: number;
  /** Null without pairs. */
  readonly pairs: PairFigures | null;
  /** Null without single answers. */
  readonly answers: AnswerFigures | null;
}

export interface PairFigures {
  readonly count: number;
  /** As many votes for either answer. */
  readonly divided: number;
  /** Share of pairs in which the chosen answer is preferred, half of a divided one; null if none could be read. */
  readonly agreement: number | null;
  readonly standardError: number | null;
  /** Share of votes for the answer that stood first: 0.5 without a liking for either place. */
  readonly firstPlace: number | null;
}

export interface AnswerFigures {
  readonly count: number;
  readonly meanScore: number | null;
  /** Of answers with a label: share of pairs of a good and a bad one that the scores put in order, half of a tie; null without both. */
  readonly ordered: number | null;
}

export function judgeFigures(records: readonly JudgedRecord[]): JudgeFigures {
  const pairs = records.filter(({ chosen }) => chosen !== undefined);
  const answers = records.filter(({ chosen }) => chosen === undefined);
  return {
    records: records.length,
    unread: records.filter(({ judge }) => judge.mean === null).length,
    pairs: pairs.length > 0 ? pairFigures(pairs) : null,
    answers: answers.length > 0 ? answerFigures(answers) : null,
  };
}

/** By the value of a column, in the order of their first record. @throws RangeError if a record lacks it */
export function figuresBy(records: readonly JudgedRecord[], column: string): Readonly<Record<string, JudgeFigures>> {
  const groups = new Map<string, JudgedRecord[]>();
  for (const record of records) {
    const value = record.columns[column];
    if (value === undefined) {
      const has = Object.keys(record.columns).join(", ") || "none";
      throw new RangeError(`${record.id}: no column ${column} to tell figures by; its columns are: ${has}`);
    }
    const name = typeof value === "string" ? value : JSON.stringify(value);
    groups.set(name, [...(groups.get(name) ?? []), record]);
  }
  return Object.fromEntries([...groups].map(([name, group]) => [name, judgeFigures(group)]));
}

function pairFigures(records: readonly JudgedRecord[]): PairFigures {
  const shares = records.flatMap(({ judge: { mean } }) => (mean === null ? [] : [mean]));
  // A vote is 0 for the chosen answer.
  const wins = shares.map((share) => (share < 0.5 ? 1 : share > 0.5 ? 0 : 0.5));
  const agreement = meanOf(wins);
  const squares = agreement === null ? 0 : wins.reduce<number>((sum, win) => sum + (win - agreement) ** 2, 0);
  return {
    count: records.length,
    divided: wins.filter((win) => win === 0.5).length,
    agreement,
    standardError: wins.length > 1 ? Math.sqrt(squares / (wins.length - 1) / wins.length) : null,
    firstPlace: firstPlaceShare(records.map(({ judge }) => judge as Judgement<PairVote>)),
  };
}

function answerFigures(records: readonly JudgedRecord[]): AnswerFigures {
  const scored = records.flatMap(({ label, judge: { mean } }) => (mean === null ? [] : [{ label, mean }]));
  const [good, bad] = [true, false].map((wanted) => scored.filter(({ label }) => label === wanted));
  const orders = (good ?? []).flatMap((one) =>
    (bad ?? []).map((other) => (one.mean > other.mean ? 1 : one.mean < other.mean ? 0 : 0.5)),
  );
  return { count: records.length, meanScore: meanOf(scored.map(({ mean }) => mean)), ordered: meanOf(orders) };
}

function meanOf(values: readonly number[]): number | null {
  return values.length > 0 ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
}
