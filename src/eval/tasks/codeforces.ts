/**
 * Codeforces: how many human contestants a model would have beaten; evaluation.md 5.11. The report's contests and tests are not published
 * and no public set stands for them, so contests are replayed from rows that the user supplies, one for each problem:
 *
 *     { "contest_id": 1980, "index": "A", "name": "...", "statement": "...", "time_limit_seconds": 2, "points": 500,
 *       "tests": [{ "input": "...", "output": "..." }], "standings": [{ "points": 2000, "rating": 1712 }, ...] }
 *
 * `standings` are those of the contest, the same in each of its rows; `rating` is null for unrated contestants. A problem gives its points
 * if the program passes every test, without penalties for time. `percentile` is the share of contestants with fewer points, averaged over
 * contests; `rating` the Elo rating that expects the places taken. One attempt, in C++ or Python, in words of ours.
 */
import { type ContestPlace, eloPerformance } from "../metrics/elo.js";
import { lastFencedBlock } from "../metrics/fencedBlock.js";
import type { Doc, MetricValue, ProgramLanguage, Scorer, TaskFile } from "../taskFile.js";
import { chatGeneration } from "./extraction.js";
import { type InputCase, passesInputs } from "./programs.js";

interface Contestant {
  readonly points: number;
  readonly rating: number | null;
}

const fences: Readonly<Record<string, ProgramLanguage>> = {
  cpp: "cpp",
  "c++": "cpp",
  python: "python",
  python3: "python",
  py: "python",
};

function numberOf(doc: Doc, column: string): number {
  const value = Number(doc[column] ?? Number.NaN);
  if (Number.isFinite(value)) return value;
  throw new RangeError(
    `codeforces: ${doc.contest_id}${doc.index}: ${column} must be a number, got ${JSON.stringify(doc[column])}`,
  );
}

function standingsOf(doc: Doc): readonly Contestant[] {
  const standings = doc.standings as readonly Contestant[] | undefined;
  if (Array.isArray(standings) && standings.length > 0) return standings;
  throw new RangeError(`codeforces: ${doc.contest_id}${doc.index}: standings of the contest are missing`);
}

/**
 * What a problem says of its contest, for aggregation over all problems: contest, points won, then points and rating of each contestant
 * (NaN: none).
 */
function contestValue(doc: Doc, isSolved: boolean): MetricValue {
  const contestants = standingsOf(doc).flatMap(({ points, rating }) => [points, rating ?? Number.NaN]);
  return [numberOf(doc, "contest_id"), isSolved ? numberOf(doc, "points") : 0, ...contestants];
}

interface Replay {
  readonly points: number;
  readonly contestants: readonly Contestant[];
}

/** Contests with the points that the model won in all their problems. */
function replays(values: readonly MetricValue[]): Replay[] {
  const byContest = new Map<number, Replay>();
  for (const value of values) {
    const [contest = Number.NaN, won = 0, ...rest] = value as readonly number[];
    const contestants = rest.flatMap((points, i) =>
      i % 2 === 0 ? [{ points, rating: rest[i + 1] ?? Number.NaN }] : [],
    );
    byContest.set(contest, { points: (byContest.get(contest)?.points ?? 0) + won, contestants });
  }
  return [...byContest.values()];
}

export function percentileOf(values: readonly MetricValue[]): number {
  const shares = replays(values).map(
    ({ points, contestants }) => contestants.filter((each) => each.points < points).length / contestants.length,
  );
  return shares.reduce((sum, share) => sum + share, 0) / shares.length;
}

/** Contestants with as many points share a place. */
export function ratingOf(values: readonly MetricValue[]): number {
  const places = replays(values).map(({ points, contestants }): ContestPlace => {
    const rated = contestants.filter(({ rating }) => rating !== null && !Number.isNaN(rating));
    const ahead = rated.filter((each) => each.points > points).length;
    const level = rated.filter((each) => each.points === points).length;
    return { place: 1 + ahead + level / 2, opponents: rated.map(({ rating }) => rating ?? Number.NaN) };
  });
  return eloPerformance(places);
}

const scorer: Scorer = async ({ doc, responses: [response = ""] }, { runProgram }) => {
  const block = lastFencedBlock(response);
  const language = fences[block?.language ?? ""];
  const verdict =
    block && language
      ? await passesInputs(
          runProgram,
          language,
          block.code,
          doc.tests as readonly InputCase[],
          numberOf(doc, "time_limit_seconds"),
        )
      : { passed: false, outcome: "no block of C++ or Python" };
  const value = contestValue(doc, verdict.passed);
  return {
    metrics: { percentile: value, rating: value, solved: verdict.passed ? 1 : 0 },
    details: { outcome: verdict.outcome },
  };
};

export const codeforcesTask: TaskFile = {
  task: "codeforces",
  dataset: {
    path: "codeforces/replays",
    name: null,
    source:
      "No public set has contests with hidden tests and standings; rows are prepared as src/eval/tasks/codeforces.ts says",
  },
  testSplit: "test",
  docToText: (doc) =>
    `Solve this problem of a programming contest (time limit ${numberOf(doc, "time_limit_seconds")} s). The program reads standard input ` +
    `and prints to standard output.\n\n${doc.name}\n\n${doc.statement}\n\n` +
    "Think it through first, then give the complete program in one ```cpp block (C++17) or ```python block (Python 3) at the end.",
  docToTarget: () => "",
  outputType: "generate_until",
  generationKwargs: chatGeneration,
  scorer,
  metricList: [
    // A contest drawn without some of its problems is another contest.
    { metric: "percentile", aggregation: percentileOf, hasError: false },
    { metric: "rating", aggregation: ratingOf, hasError: false },
    { metric: "solved" },
  ],
  metadata: { version: 1 },
  format: "own",
  about: "contests replayed from the user's rows",
  needs: ["sandbox"],
  published: { table: "chat", metric: "percentile", value: 51.6, key: "percentile,none" },
};
