/**
 * What drafts by the multi-token-prediction module bring: the same texts written greedily without drafts, with a fixed number of them in each
 * step, and with as many as the engine finds to pay; one stream at a time, in turn. A fixed depth stands beside the speed that its bytes allow,
 *   tokens a pass x plain bytes / (verify bytes + draft bytes)   times the speed without drafts,
 * and the engine's own choice beside the speed without drafts. What is written must be the same in all of them, to the last token.
 */

import type { LanguageModel } from "../generate/languageModel.js";
import { modelInThread } from "../generate/loadModel.js";
import type { DeepseekV3 } from "../model/deepseekV3.js";
import { bytesPerElement } from "../tensor/dtype.js";
import { median } from "../train/measure.js";
import { speculationBytes } from "./inferenceCost.js";
import { measureSection, type Say } from "./rounds.js";
import { type BenchRow, rateRow } from "./row.js";

export interface SpeculationOptions {
  /** What the rows call the model. */
  readonly label: string;
  /** Whether its weights are of a training, so that drafts can hold. */
  readonly isTrained: boolean;
  /** Token ids that the texts begin with. */
  readonly prompts: readonly Int32Array[];
  /** Tokens to write after each. */
  readonly tokens: number;
  readonly rounds: number;
  readonly threads: number;
  readonly say: Say;
}

interface Mode {
  readonly name: string;
  /** Most drafts of a step. */
  readonly depth: number;
  readonly isDepthFixed: boolean;
  /** Whether each text gets an engine that has measured nothing yet. */
  readonly isFresh: boolean;
}

const deepest = 4;
const modes: readonly Mode[] = [
  { name: "without drafts", depth: 0, isDepthFixed: true, isFresh: false },
  ...Array.from({ length: deepest }, (_, i) => ({
    ...{ name: `${i + 1} ${i === 0 ? "draft" : "drafts"} a step`, depth: i + 1 },
    ...{ isDepthFixed: true, isFresh: false },
  })),
  { name: "as many as pay", depth: deepest, isDepthFixed: false, isFresh: false },
  { name: "without drafts, each text by a new engine", depth: 0, isDepthFixed: true, isFresh: true },
  { name: "as many as pay, each text by a new engine", depth: deepest, isDepthFixed: false, isFresh: true },
];

/** @throws RangeError for a model without MTP modules, or with fewer positions than the texts need */
export async function benchSpeculation(
  model: DeepseekV3,
  options: SpeculationOptions,
): Promise<{ readonly rows: readonly BenchRow[] }> {
  const { label, prompts, tokens, rounds, say } = options;
  const positions = Math.max(...prompts.map(({ length }) => length)) + tokens + deepest;
  const { numNextnPredictLayers, maxPositionEmbeddings } = model.config;
  if (numNextnPredictLayers === 0) throw new RangeError(`bench speculation: ${label} has no MTP module to draft with`);
  if (positions > maxPositionEmbeddings) {
    throw new RangeError(`bench speculation: needs ${positions} positions, ${label} has ${maxPositionEmbeddings}`);
  }
  const writers = modes.map((mode) => new Writer(model, mode, positions));
  let round = 0;
  const writeAll = async (): Promise<number> => {
    const begun = performance.now();
    for (const [i, prompt] of prompts.entries()) {
      const written: (readonly number[])[] = [];
      // Who comes first changes, so that no mode always runs in the caches that the same one left.
      for (let turn = 0; turn < writers.length; turn++) {
        const at = (turn + round + i) % writers.length;
        written[at] = (await writers[at]?.write(prompt, tokens)) ?? [];
      }
      checkSame(written, i);
    }
    round++;
    return (performance.now() - begun) / 1000;
  };
  await writeAll();
  for (const writer of writers) writer.forget();
  await measureSection({
    name: `speculation ${label}`,
    rounds,
    say,
    ours: writeAll,
  });
  const plainOf = ({ mode: { isFresh } }: Writer): Writer | undefined =>
    writers.find(({ mode }) => mode.depth === 0 && mode.isFresh === isFresh);
  const rows = writers.map((writer) => rowOf(model, writer, plainOf(writer) ?? writer, options));
  for (const writer of writers) await writer.close();
  return { rows };
}

/** Writes texts in one mode, and counts. */
class Writer {
  readonly mode: Mode;
  /** Of each text, round by round. */
  seconds: number[] = [];
  /** Passes through the model, without those that read prompts; and the tokens that they wrote. */
  passes = 0;
  decoded = 0;
  drafts = 0;
  accepted: number[] = [];
  readonly #open: () => LanguageModel;
  #model: LanguageModel | null = null;

  constructor(model: DeepseekV3, mode: Mode, positions: number) {
    const { depth, isDepthFixed } = mode;
    const options = { maxBatch: 1, cacheTokens: 2 * positions, speculation: depth, isDepthFixed };
    this.mode = mode;
    this.#open = () => modelInThread(model, null, options);
  }

  forget(): void {
    this.seconds = [];
    this.accepted = [];
    this.passes = this.decoded = this.drafts = 0;
  }

  async write(prompt: Int32Array, maxTokens: number): Promise<readonly number[]> {
    if (this.mode.isFresh) await this.close();
    this.#model ??= this.#open();
    const model = this.#model;
    const before = await model.stats();
    const ids: number[] = [];
    const begun = performance.now();
    for await (const event of model.stream({ prompt, maxTokens, ignoreEos: true })) {
      if (event.type === "token") ids.push(event.id);
    }
    const seconds = (performance.now() - begun) / 1000;
    const after = await model.stats();
    this.seconds.push(seconds);
    // One pass read the prompt and gave the first token.
    this.passes += after.steps - before.steps - 1;
    this.decoded += ids.length - 1;
    this.drafts += after.speculation.drafts - before.speculation.drafts;
    for (const [i, count] of after.speculation.acceptedTokens.entries()) {
      this.accepted[i] = (this.accepted[i] ?? 0) + count - (before.speculation.acceptedTokens[i] ?? 0);
    }
    return ids;
  }

  async close(): Promise<void> {
    await this.#model?.close();
    this.#model = null;
  }
}

/** @throws Error if a mode wrote other tokens than the first */
export function checkSame(written: readonly (readonly number[])[], text: number): void {
  const [expected = []] = written;
  for (const [i, ids] of written.entries()) {
    const length = Math.max(ids.length, expected.length);
    for (let at = 0; at < length; at++) {
      if (ids[at] === expected[at]) continue;
      throw new Error(
        `internal: speculation changed what is written: text ${text}, token ${at} is ${ids[at]} with "${modes[i]?.name}", ${expected[at]} without drafts`,
      );
    }
  }
}

function rowOf(
  { config, parameters, dtype }: DeepseekV3,
  writer: Writer,
  plain: Writer,
  { label, isTrained, prompts, tokens, threads }: SpeculationOptions,
): BenchRow {
  const { mode, seconds, passes, decoded, drafts, accepted } = writer;
  const { name, depth, isDepthFixed } = mode;
  const tokensPerPass = decoded / passes;
  const length = prompts.reduce((sum, prompt) => sum + prompt.length, 0) / prompts.length + tokens / 2;
  const bytes = speculationBytes(config, parameters, {
    depth,
    tokensPerStep: tokensPerPass,
    length,
    bytesPerCacheValue: bytesPerElement[dtype],
  });
  // Each text against the same one of the same round: a slow moment of the machine meets both.
  const timesPlain = median(seconds.map((time, i) => (plain.seconds[i] ?? Number.NaN) / time));
  const timesByBytes = isDepthFixed ? (tokensPerPass * bytes.plain) / (bytes.verify + bytes.drafts) : 1;
  return rateRow(
    {
      bench: "speculation",
      case: `${label}, ${name}`,
      threads,
      floorName: isDepthFixed && depth > 0 ? "by bytes" : "without drafts",
      at: {
        isTrained: isTrained ? 1 : 0,
        ...(isDepthFixed ? { depth } : {}),
        tokensPerPass,
        draftedShare: drafts / passes,
        timesPlain,
        ...(isDepthFixed ? { verifyCost: bytes.verify / bytes.plain, draftCost: bytes.drafts / bytes.plain } : {}),
        // How often the draft of a position held, where each step drafted it.
        ...(isDepthFixed
          ? Object.fromEntries(accepted.map((count, i) => [`accepted${i + 1}`, drafts === 0 ? 0 : count / drafts]))
          : {}),
      },
    },
    "tokens/s",
    tokens,
    seconds,
    (median(seconds) * timesPlain) / timesByBytes,
  );
}
