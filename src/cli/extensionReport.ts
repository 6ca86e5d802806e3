/** What a longer window is worth: the extended model beside the one it came from, by position, as figures and as a page. */
import { join } from "node:path";
import { loadWeights, readConfig } from "../checkpoint/modelFiles.js";
import { resolveModelDirectory } from "../checkpoint/runDirectory.js";
import { PreparedData } from "../data/preparedData.js";
import { singleCommunicator } from "../distributed/single.js";
import { bitsByPosition, meanBits, type PositionBucket, positionWindows } from "../eval/bitsByPosition.js";
import { writeFileAtomic } from "../files/atomic.js";
import type { ModelConfig } from "../model/config.js";
import { extendedConfig } from "../model/contextExtension.js";
import { DeepseekV3 } from "../model/deepseekV3.js";
import { renderPositions } from "../report/positions.js";
import { Tokenizer } from "../tokenizer/tokenizer.js";
import { grouped, say } from "./output.js";

export interface ComparisonInput {
  /** Run of the extended model, with its prepared data. */
  readonly run: string;
  /** Directory of the model it came from. */
  readonly base: string;
  readonly from: number;
  readonly to: number;
  /** Most windows to read. */
  readonly windows: number;
}

interface Bits {
  readonly bitsPerByte: number;
  readonly bitsPerToken: number;
}

/** Three models at positions [from, to). */
export interface PositionRow {
  readonly from: number;
  readonly to: number;
  /** The old model as it is, given more tokens than it was trained for. */
  readonly unchanged: Bits;
  /** The old model with its positions divided by the factor, not trained on. */
  readonly interpolated: Bits;
  readonly extended: Bits;
}

export interface PositionComparison {
  readonly window: number;
  readonly windows: number;
  readonly buckets: readonly PositionRow[];
  /** Means over the positions of the old window, and over those past it. */
  readonly inside: PositionRow;
  readonly beyond: PositionRow;
}

/**
 * Compares on the run's held-out documents and writes positions.html into the run.
 * @returns null where no held-out document has as many tokens as the new window
 */
export async function comparePositions(
  input: ComparisonInput,
): Promise<{ readonly positions: PositionComparison | null; readonly report: string | null }> {
  const { run, base, from, to } = input;
  const tokenizer = Tokenizer.fromDirectory(join(run, "tokenizer"));
  using data = new PreparedData(join(run, "data"));
  const documents = data.validationDocuments().map(({ content }) => content);
  const windows = positionWindows(tokenizer, documents, { window: to, maxWindows: input.windows });
  if (windows.length === 0) return { positions: null, report: null };
  // Quarters of the old window, or coarser where that would be many rows; always with a border where the old window ends.
  const bucketWidth = Math.max(1, to / from <= 8 ? Math.floor(from / 4) : from);
  const before = readConfig(base);
  const extended = resolveModelDirectory(run);
  const curves: { name: string; buckets: PositionBucket[] }[] = [];
  for (const { name, directory, config } of [
    { name: "no extension", directory: base, config: before },
    { name: "interpolation", directory: base, config: extendedConfig(before, { method: "linear", from, to }) },
    { name: "extended", directory: extended, config: readConfig(extended) },
  ]) {
    say(`${name}: reading ${grouped(windows.length)} windows of ${grouped(to)} tokens`);
    const model = openForReading(directory, config);
    curves.push({ name, buckets: await bitsByPosition(model, tokenizer, windows, { window: to, bucketWidth }) });
    model.free();
  }
  const rowOf = (at: number, end: number): PositionRow => {
    const [unchanged, interpolated, after] = curves.map(({ buckets }): Bits => {
      const { bitsPerByte, bitsPerToken } = meanBits(buckets, at, end);
      return { bitsPerByte, bitsPerToken };
    });
    if (!unchanged || !interpolated || !after) throw new Error("internal: three models make three curves");
    return { from: at, to: end, unchanged, interpolated, extended: after };
  };
  const inWindow = Math.floor(from / bucketWidth) * bucketWidth;
  const positions: PositionComparison = {
    window: to,
    windows: windows.length,
    buckets: (curves[0]?.buckets ?? []).map((bucket) => rowOf(bucket.from, bucket.to)),
    inside: rowOf(0, inWindow),
    beyond: rowOf(inWindow, to),
  };
  const report = join(run, "positions.html");
  const facts: (readonly [string, string])[] = [
    ["run", run],
    ["from", `${base}, trained at ${grouped(from)} tokens`],
    ["to", `${grouped(to)} tokens`],
    ["read", `${grouped(windows.length)} windows of held-out documents`],
    ["no extension", "the old model as it is, given the longer text"],
    ["interpolation", "the old model with its positions divided by the stretch, not trained on"],
  ];
  const title = `A window of ${grouped(to)} tokens`;
  writeFileAtomic(report, renderPositions({ title, facts, border: from, curves }));
  return { positions, report };
}

/** Without the MTP modules, which say nothing here. */
function openForReading(directory: string, config: ModelConfig): DeepseekV3 {
  const dtype = config.torchDtype === "float32" ? "float32" : "bfloat16";
  const model = new DeepseekV3({ ...config, numNextnPredictLayers: 0 }, dtype, singleCommunicator());
  loadWeights(model, directory);
  return model;
}
