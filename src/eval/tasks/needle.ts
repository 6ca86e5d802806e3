/**
 * A needle in a haystack: a sentence hidden in a long text at some depth, and a question that it answers; evaluation.md section 6. The haystack
 * is text of the model's run or of a path, cut to a length in tokens less a buffer for question and answer; the needle is moved back to the
 * end of the sentence before it. Graded without a judge: the share of the needle's key words in the answer.
 *
 * --metadata sets `lengths` (tokens), `depths` (a number of equal steps, or a list of percents), `haystack` (a file or folder), `needle`,
 * `question`, `keywords`, `buffer` (tokens) and for endpoints `tokenizer` (a directory). By default lengths are eight equal steps up to the
 * model's positions, of which those are left out that have no room for the needle and as much text. The buffer is 200 tokens, of models
 * with less than 2,048 positions what question and answer take.
 */
import { Tokenizer } from "../../tokenizer/tokenizer.js";
import { heatMapSvg, heatMapText } from "../harness/heatMap.js";
import { readHeldOut } from "../harness/heldOut.js";
import { keywordShare } from "../metrics/needle.js";
import type { Doc, DocSource, ReportedDoc, TaskFile, TaskReport } from "../taskFile.js";

const usual = {
  needle:
    " The keeper of the old lighthouse hid a brass key, a blue lantern and the number 48213 under the third step. ",
  question: "Question: What did the keeper of the old lighthouse hide under the third step?\nAnswer:",
  keywords: ["brass key", "blue lantern", "48213"],
  buffer: 200,
  depths: 11,
  /** Equal steps up to the model's positions. */
  numLengths: 8,
  maxGenToks: 50,
};

export const needleTask: TaskFile = {
  task: "needle",
  dataset: null,
  docs: needleDocs,
  docToText: (doc) => `${doc.context}\n\n${doc.question}`,
  docToTarget: (doc) => (doc.keywords as readonly string[]).join(", "),
  outputType: "generate_until",
  generationKwargs: { until: ["\n"], maxGenToks: usual.maxGenToks },
  metricList: [{ metric: "found" }],
  scorer: ({ doc, responses }) => ({
    metrics: { found: keywordShare(responses[0] ?? "", doc.keywords as readonly string[]) },
  }),
  report: needleReport,
  metadata: { version: 1 },
  format: "own",
  about: "lengths x depths, graded by key words",
  needs: ["long context"],
};

interface Settings {
  readonly lengths: readonly number[];
  readonly depths: readonly number[];
  readonly needle: string;
  readonly question: string;
  readonly keywords: readonly string[];
  readonly buffer: number;
}

/** @throws RangeError for settings that are none, no haystack, or one that is too short to be one */
export async function needleDocs(source: DocSource): Promise<Doc[]> {
  const { metadata } = source;
  const tokenizer = tokenizerOf(source);
  const settings = settingsOf(source, tokenizer);
  const texts = typeof metadata.haystack === "string" ? await readHeldOut(metadata.haystack) : await source.heldOut();
  const most = Math.max(...settings.lengths);
  const haystack = repeated(tokenizer, texts.map(({ text }) => String(text)).join("\n"), most);
  const needle = tokenizer.encode(settings.needle);
  return settings.lengths.flatMap((length) => {
    const room = length - settings.buffer - needle.length;
    if (room < needle.length) {
      throw new RangeError(
        `needle: a length of ${length} tokens leaves ${room} for the haystack beside a buffer of ${settings.buffer} and the needle's ` +
          `${needle.length}; set lengths and buffer with --metadata`,
      );
    }
    return settings.depths.map((depth): Doc => {
      const at = sentenceEnd(tokenizer, haystack, Math.floor((room * depth) / 100));
      const ids = [...haystack.subarray(0, at), ...needle, ...haystack.subarray(at, room)];
      const { question, keywords } = settings;
      return { length, depth, context: tokenizer.decode(ids), question, keywords };
    });
  });
}

/** Scores and, where the model tells, the cost of reading each length, as a table of text, JSON and a picture. */
export function needleReport(docs: readonly ReportedDoc[]): TaskReport {
  const lengths = distinct(docs.map(({ doc }) => Number(doc.length)));
  const depths = distinct(docs.map(({ doc }) => Number(doc.depth)));
  const at = (length: number, depth: number): number | null => {
    const found = docs.find(({ doc }) => doc.length === length && doc.depth === depth)?.metrics.found;
    return typeof found === "number" ? found : null;
  };
  const matrix = depths.map((depth) => lengths.map((length) => at(length, depth)));
  const costs = lengths.map((length) => {
    // The document of each length that found least in the cache shows what the whole prompt costs.
    const costs = docs.flatMap(({ doc, cost, promptTokens }) =>
      doc.length === length && cost ? [{ ...cost, promptTokens }] : [],
    );
    const [dearest] = costs.sort((a, b) => a.cachedTokens - b.cachedTokens);
    const peak = Math.max(...costs.map(({ residentBytes }) => residentBytes));
    return dearest ? { length, ...dearest, residentBytes: peak } : null;
  });
  const map = { columns: lengths, rows: depths, values: matrix, columnName: "tokens", rowName: "depth %" };
  const lines = costs.flatMap((cost) =>
    cost
      ? [
          `${cost.length} tokens: prompt of ${cost.promptTokens} read in ${(cost.promptMs / 1000).toFixed(2)} s (${cost.cachedTokens} known), ` +
            `${(cost.residentBytes / 2 ** 30).toFixed(2)} GiB resident`,
        ]
      : [],
  );
  return {
    text: [heatMapText(map), ...lines].join("\n"),
    files: {
      "matrix.json": `${JSON.stringify({ lengths, depths, found: matrix, costs }, null, 1)}\n`,
      "map.svg": heatMapSvg(map, "Share of the needle found"),
    },
  };
}

function settingsOf({ metadata, maxPositions }: DocSource, tokenizer: Tokenizer): Settings {
  const text = (name: "needle" | "question"): string => String(metadata[name] ?? usual[name]);
  const isSmall = maxPositions !== null && maxPositions < 2048;
  // A few tokens more than the question's own, which may be other ones behind a text.
  const exact = tokenizer.encode(`\n\n${text("question")}`).length + usual.maxGenToks + 4;
  const { lengths, depths = usual.depths, buffer = isSmall ? Math.min(usual.buffer, exact) : usual.buffer } = metadata;
  const numbers = (name: string, value: unknown, low: number, high: number): readonly number[] => {
    const isRight = Array.isArray(value) && value.length > 0;
    if (isRight && value.every((each) => typeof each === "number" && each >= low && each <= high)) return value;
    throw new RangeError(
      `--metadata ${name}: expected a list of numbers from ${low} to ${high}, got ${JSON.stringify(value)}`,
    );
  };
  if (lengths === undefined && maxPositions === null) {
    throw new RangeError('needle: an endpoint does not tell how much it reads; give --metadata {"lengths": [...]}');
  }
  const [buffered = usual.buffer] = numbers("buffer", [buffer], 0, 2 ** 20);
  const least = buffered + 2 * tokenizer.encode(text("needle")).length;
  return {
    lengths:
      lengths === undefined
        ? usualLengths(maxPositions ?? 0, least)
        : numbers("lengths", lengths, 1, maxPositions ?? 2 ** 31),
    depths: typeof depths === "number" ? equalSteps(depths) : numbers("depths", depths, 0, 100),
    needle: text("needle"),
    question: text("question"),
    keywords: (metadata.keywords as readonly string[] | undefined) ?? usual.keywords,
    buffer: buffered,
  };
}

function tokenizerOf({ tokenizer, metadata }: DocSource): Tokenizer {
  if (tokenizer) return tokenizer;
  if (typeof metadata.tokenizer === "string") return Tokenizer.fromDirectory(metadata.tokenizer);
  throw new RangeError('needle: an endpoint does not tell its tokenizer; give --metadata {"tokenizer": "directory"}');
}

/** Text again and again up to a length. */
function repeated(tokenizer: Tokenizer, text: string, length: number): Int32Array {
  const once = tokenizer.encode(`${text}\n`);
  if (once.length < 32)
    throw new RangeError(`needle: a haystack of ${once.length} tokens is none; expected 32 or more`);
  const ids = new Int32Array(length);
  for (let at = 0; at < length; at += once.length) ids.set(once.subarray(0, Math.min(once.length, length - at)), at);
  return ids;
}

/** The position behind the last token before `at` that ends a sentence, or a line; 0 if there is none. */
function sentenceEnd(tokenizer: Tokenizer, ids: Int32Array, at: number): number {
  for (const end of [/\.\s*$/, /\n$/]) {
    for (let i = at; i > 0; i--) if (end.test(tokenizer.decode([ids[i - 1] ?? 0]))) return i;
  }
  return 0;
}

/** @throws RangeError if even the longest is too short */
function usualLengths(most: number, least: number): number[] {
  const count = usual.numLengths;
  const all = Array.from({ length: count }, (_, i) => Math.floor((most * (i + 1)) / count));
  const lengths = all.filter((length) => length >= least);
  if (lengths.length > 0) return lengths;
  throw new RangeError(
    `needle: question, answer and needle need ${least} tokens, and the model reads ${most}; give a shorter needle with --metadata`,
  );
}

function equalSteps(count: number): number[] {
  if (!Number.isInteger(count) || count < 2 || count > 100) {
    throw new RangeError(
      `--metadata depths: expected a whole number from 2 to 100 or a list of percents, got ${count}`,
    );
  }
  return Array.from({ length: count }, (_, i) => Math.round((1000 * i) / (count - 1)) / 10);
}

function distinct(values: readonly number[]): number[] {
  return [...new Set(values)].sort((a, b) => a - b);
}
