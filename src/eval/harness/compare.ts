/**
 * Two or more results side by side: each figure, and of the later ones the difference to the first with its error, document by document where
 * both evaluated the same ones; evaluation.md section 11. Figures of different documents, prompts or versions of a task are not held against
 * each other in silence: what differs stands beside them.
 */
import type { MetricValue, PublishedScore } from "../taskFile.js";
import { type ResultsFile, readResults, readSamples, type SampleRow } from "./results.js";
import { comparable, markdown, shown } from "./resultTable.js";
import { chanceBeyond, type PairedDifference, pairedDifference } from "./statistics.js";

export interface ComparedFigure {
  readonly task: string;
  /** `metric,filter`. */
  readonly key: string;
  /** One for each file; null where it has no such figure. */
  readonly values: readonly (number | null)[];
  readonly errors: readonly (number | null)[];
  /** To the first; null where there is none. */
  readonly differences: readonly (Difference | null)[];
  readonly published: PublishedScore | null;
}

export interface Difference extends PairedDifference {
  /** Over documents that both have; else from the two errors, as if they were independent. */
  readonly isPaired: boolean;
  /** What is not the same in both: documents, prompts, the task's version, the shots. */
  readonly notes: readonly string[];
}

/** @throws RangeError for fewer than two files, or files that are no results */
export function compareResults(paths: readonly string[]): ComparedFigure[] {
  if (paths.length < 2) throw new RangeError(`--compare: give two results files or more, got ${paths.length}`);
  const files = paths.map((path) => ({ path, results: readResults(path) }));
  const tasks = [...new Set(files.flatMap(({ results }) => Object.keys(results.results)))];
  return tasks.flatMap((task) => {
    const rows = files.map(({ results }) => results.results[task] ?? {});
    const keys = [...new Set(rows.flatMap(figureKeys))];
    const samples = files.map(({ path }) => readSamples(path, task));
    return keys.map((key): ComparedFigure => {
      const values = rows.map((row) => numberOf(row[key]));
      const errors = rows.map((row) => numberOf(row[errorKey(key)]));
      const published = files.map(({ results }) => results.published?.[task]).find((each) => each?.key === key) ?? null;
      return {
        task,
        key,
        values,
        errors,
        differences: files.map(({ results }, i) =>
          i === 0 ? null : differenceOf(task, key, [0, i], { values, errors, samples }, files[0]?.results, results),
        ),
        published,
      };
    });
  });
}

/** @param names of the files, as columns */
export function comparisonTable(figures: readonly ComparedFigure[], names: readonly string[]): string {
  const header = [
    "Tasks",
    "Metric",
    ...names.flatMap((name, i) => (i === 0 ? [name] : [name, "Difference", "Stderr", "p"])),
  ];
  const hasPublished = figures.some(({ published }) => published !== null);
  const rows = figures.map(({ task, key, values, differences, published }) => [
    task,
    key,
    ...values.flatMap((value, i) => {
      const cell = value === null ? "" : shown(value);
      const difference = differences[i];
      if (i === 0) return [cell];
      if (!difference) return [cell, "", "", ""];
      const sign = difference.difference > 0 ? "+" : "";
      const { error, pValue } = difference;
      return [
        cell,
        `${sign}${shown(difference.difference)}`,
        error === null ? "" : shown(error),
        pValue === null ? "" : `${shown(pValue)}${pValue < 0.01 ? " **" : pValue < 0.05 ? " *" : ""}`,
      ];
    }),
    ...(hasPublished ? [published ? shown(comparable(published)) : ""] : []),
  ]);
  const notes = figures.flatMap(({ task, differences }) =>
    differences.flatMap((difference, i) => (difference?.notes ?? []).map((note) => `${task}, ${names[i]}: ${note}`)),
  );
  const table = markdown([...header, ...(hasPublished ? ["Published"] : [])], rows);
  return [table, ...[...new Set(notes)].map((note) => `note: ${note}`)].join("\n");
}

function differenceOf(
  task: string,
  key: string,
  [a, b]: readonly [number, number],
  all: {
    readonly values: readonly (number | null)[];
    readonly errors: readonly (number | null)[];
    readonly samples: readonly (readonly SampleRow[] | null)[];
  },
  first: ResultsFile | undefined,
  second: ResultsFile,
): Difference | null {
  const [from, to] = [all.values[a] ?? null, all.values[b] ?? null];
  if (from === null || to === null || !first) return null;
  const notes = differingFacts(task, first, second);
  const paired = pairedValues(key, all.samples[a] ?? null, all.samples[b] ?? null);
  if (paired) {
    const result = pairedDifference(
      paired.map(([left]) => left),
      paired.map(([, right]) => right),
    );
    const both = Math.max(all.samples[a]?.length ?? 0, all.samples[b]?.length ?? 0);
    // Corpus figures are no means of their documents' values.
    const isMean = Math.abs(result.difference - (to - from)) < 1e-9 * Math.max(1, Math.abs(to)) || paired.length < both;
    if (isMean) return { ...result, isPaired: true, notes };
  }
  const errors = [all.errors[a] ?? null, all.errors[b] ?? null];
  const error = errors[0] === null || errors[1] === null ? null : Math.hypot(errors[0] ?? 0, errors[1] ?? 0);
  const pValue = error === null || error === 0 ? null : chanceBeyond((to - from) / error);
  const unpaired =
    error === null ? [] : ["not paired: samples of the same documents are not beside both files (--log-samples)"];
  return {
    difference: to - from,
    error,
    pValue,
    documents: second["n-samples"][task]?.effective ?? 0,
    isPaired: false,
    notes: [...notes, ...unpaired],
  };
}

function differingFacts(task: string, first: ResultsFile, second: ResultsFile): string[] {
  const notes: string[] = [];
  const differ = (what: string, of: (file: ResultsFile) => unknown): void => {
    const [left, right] = [JSON.stringify(of(first)), JSON.stringify(of(second))];
    if (left !== right) notes.push(`${what} differ: ${left} and ${right}`);
  };
  differ("versions of the task", (file) => file.versions[task]);
  differ("shots", (file) => file["n-shot"]?.[task]);
  differ("numbers of documents", (file) => file["n-samples"][task]?.effective);
  if (notes.length === 0 && first.task_hashes[task] !== second.task_hashes[task])
    notes.push("documents or prompts differ");
  return notes;
}

/** Values of the documents that both have; null if there are none, or values that are no numbers. */
function pairedValues(
  key: string,
  first: readonly SampleRow[] | null,
  second: readonly SampleRow[] | null,
): (readonly [number, number])[] | null {
  if (!first || !second) return null;
  const [metric = "", filter = ""] = [key.slice(0, key.lastIndexOf(",")), key.slice(key.lastIndexOf(",") + 1)];
  const valuesOf = (rows: readonly SampleRow[]): Map<string, MetricValue> =>
    new Map(
      rows
        .filter((row) => row.filter === filter)
        .map((row) => [`${row.doc_id} ${row.doc_hash}`, row[metric] as MetricValue]),
    );
  const [left, right] = [valuesOf(first), valuesOf(second)];
  const pairs: (readonly [number, number])[] = [];
  for (const [id, value] of left) {
    const other = right.get(id);
    if (typeof value === "number" && typeof other === "number") pairs.push([value, other]);
  }
  return pairs.length > 1 ? pairs : null;
}

function figureKeys(row: Readonly<Record<string, number | string>>): string[] {
  return Object.keys(row).filter((key) => key.includes(",") && !key.includes("_stderr,"));
}

function errorKey(key: string): string {
  const comma = key.lastIndexOf(",");
  return `${key.slice(0, comma)}_stderr${key.slice(comma)}`;
}

function numberOf(value: number | string | undefined): number | null {
  return typeof value === "number" ? value : null;
}
