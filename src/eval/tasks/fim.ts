/**
 * Fill in the middle on real text: a document with a gap is shown on both sides, and the model writes what stood there (DeepSeek-V3 report,
 * section 2.2). Documents are those that the run held out, or a folder of code that --held-out names. `fim_line` takes out a line, `fim_span`
 * some letters anywhere. Scored by exact match and by edit similarity; white space at the end does not count.
 *
 * Gaps are drawn by counter, one for each document that is long enough, so that they are the same for every model whose context takes as much
 * around them: each side is cut to its share of the positions.
 */
import { hashInts, stream } from "../../data/random.js";
import type { Tokenizer } from "../../tokenizer/tokenizer.js";
import { editSimilarity } from "../metrics/editSimilarity.js";
import type { Doc, DocSource, Scorer, TaskFile, TaskGroup } from "../taskFile.js";

/** Most tokens that the middle may take, its end included. */
const middleTokens = 64;
/** Begin, hole, end and the start of the document. */
const controlTokens = 4;
/** Characters of each side where no tokenizer tells how many fit. */
const sideCharacters = 2000;
const spanCharacters = { least: 10, most: 60 };
const lineCharacters = { least: 8, most: 120 };

interface Gap {
  readonly begin: number;
  readonly end: number;
}

const score: Scorer = ({ target, responses }) => {
  const [written = "", truth] = [responses[0]?.trimEnd(), String(target).trimEnd()];
  return { metrics: { exact_match: Number(written === truth), edit_similarity: editSimilarity(written, truth) } };
};

const shared = {
  dataset: null,
  promptKind: "text",
  docToText: "prefix",
  docToSuffix: "suffix",
  docToTarget: (doc: Doc) => String(doc.middle),
  outputType: "generate_until",
  metricList: [{ metric: "exact_match" }, { metric: "edit_similarity" }],
  scorer: score,
  metadata: { version: 1 },
  format: "own",
} as const;

export const fimTasks: readonly TaskFile[] = [
  {
    ...shared,
    task: "fim_line",
    docs: (source) => withGaps(source, lineGap),
    generationKwargs: { until: ["\n"], maxGenToks: middleTokens },
    about: "a line taken out of held-out code",
  },
  {
    ...shared,
    task: "fim_span",
    docs: (source) => withGaps(source, spanGap),
    generationKwargs: { until: [], maxGenToks: middleTokens },
    about: "10 to 60 characters taken out of held-out code",
  },
];

export const fimGroup: TaskGroup = {
  group: "fim",
  task: ["fim_line", "fim_span"],
  aggregateMetricList: [{ metric: "exact_match" }, { metric: "edit_similarity" }],
  metadata: { version: 1 },
};

/** @throws RangeError for a vocabulary without the tokens of gaps, or documents that are all too short */
async function withGaps(source: DocSource, gapIn: (text: string, document: number) => Gap | null): Promise<Doc[]> {
  const { tokenizer, maxPositions } = source;
  if (tokenizer && !tokenizer.fim) throw new RangeError("the tokenizer has no fill-in-the-middle tokens");
  const side = maxPositions === null ? null : Math.floor((maxPositions - middleTokens - controlTokens) / 2);
  if (side !== null && side < 16) {
    throw new RangeError(
      `the model's ${maxPositions} positions leave ${side} tokens for each side of a gap; expected 16`,
    );
  }
  const documents = await source.heldOut();
  const docs = documents.flatMap((document, index): Doc[] => {
    const text = String(document.text);
    const gap = gapIn(text, index);
    if (!gap) return [];
    const before = text.slice(0, gap.begin);
    const after = text.slice(gap.end);
    const fits = (part: string): boolean => !tokenizer || side === null || countTokens(tokenizer, part) <= side;
    return [
      {
        path: document.path,
        prefix: cutTo(before, fits, (part, length) => tailOf(part, length)),
        middle: text.slice(gap.begin, gap.end),
        suffix: cutTo(after, fits, (part, length) => headOf(part, length)),
      },
    ];
  });
  if (docs.length > 0) return docs;
  throw new RangeError(`none of ${documents.length} documents is long enough for a gap`);
}

/** A line with text before and after it; its indentation stays. */
function lineGap(text: string, document: number): Gap | null {
  const gaps: Gap[] = [];
  let begin = 0;
  for (const line of text.split("\n")) {
    const end = begin + line.length;
    const first = begin + line.length - line.trimStart().length;
    const length = line.trim().length;
    const isInside = begin > 0 && end < text.trimEnd().length;
    if (isInside && length >= lineCharacters.least && length <= lineCharacters.most) gaps.push({ begin: first, end });
    begin = end + 1;
  }
  return gaps[hashInts(0, stream.gaps, document, 0) % Math.max(1, gaps.length)] ?? null;
}

function spanGap(text: string, document: number): Gap | null {
  const { least, most } = spanCharacters;
  const length = least + (hashInts(0, stream.gaps, document, 1) % (most - least + 1));
  // Something has to stand on either side.
  const room = text.length - length - 2 * most;
  if (room < 1) return null;
  const begin = toCharacter(text, most + (hashInts(0, stream.gaps, document, 2) % room));
  return { begin, end: toCharacter(text, begin + length) };
}

function countTokens(tokenizer: Tokenizer, text: string): number {
  return tokenizer.encode(text).length;
}

/** The longest piece, in steps of a tenth, that fits. */
function cutTo(text: string, fits: (part: string) => boolean, take: (text: string, length: number) => string): string {
  let length = Math.min(text.length, sideCharacters);
  for (; length > 0; length = Math.floor(length * 0.9)) {
    const part = take(text, length);
    if (fits(part)) return part;
  }
  return "";
}

function tailOf(text: string, length: number): string {
  return text.slice(toCharacter(text, text.length - length));
}

function headOf(text: string, length: number): string {
  return text.slice(0, toCharacter(text, length));
}

/** A position that parts no surrogate pair. */
function toCharacter(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code <= 0xdfff ? at + 1 : at;
}
