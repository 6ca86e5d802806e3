/**
 * Decoding at a depth: how fast tokens come when the cache already holds that many. One sequence runs through generation's own step; a batch
 * through the model's forward with a row for each sequence (batchedDecode.ts). Sampling is greedy and counted.
 *
 * A depth is prefilled once and grows by the tokens of each run, in the peer too: at most repeats x tokens deeper at the end.
 */
import { decode, prefill, SequenceCache } from "../generate/forward.js";
import { argMax } from "../generate/sampler.js";
import type { ModelConfig } from "../model/config.js";
import type { DeepseekV3 } from "../model/deepseekV3.js";
import {
  type Bandwidth,
  BandwidthProbe,
  bestFloors,
  bestOfLooks,
  type Floors,
  measureFloors,
} from "../train/floors.js";
import { randomTokens } from "../train/measure.js";
import { BatchedCache, decodeTogether, expertsMet } from "./batchedDecode.js";
import { decodeCost, decodeFloorSeconds } from "./inferenceCost.js";
import type { Peer } from "./peerProcess.js";
import { measureSection, type Say, timed } from "./rounds.js";
import { type BenchRow, type PeerRuns, rateRow } from "./row.js";
import { type ModelPrecision, precisionName, randomModel } from "./weights.js";

export interface DecodeOptions extends ModelPrecision {
  readonly preset: string;
  readonly depths: readonly number[];
  readonly batches: readonly number[];
  /** Tokens of a run, for each sequence. */
  readonly tokens: number;
  readonly repeats: number;
  readonly threads: number;
  /** llama.cpp on the file type of the same size; null to do without. */
  readonly peer: Peer | null;
  readonly say: Say;
}

/** Positions that a measurement at the largest depth needs. */
export function decodePositions({
  depths,
  tokens,
  repeats,
}: Pick<DecodeOptions, "depths" | "tokens" | "repeats">): number {
  return Math.max(...depths, 1) + tokens * (repeats + 1);
}

/** @throws RangeError if the model has fewer positions than the deepest run needs */
export async function benchDecode(
  config: ModelConfig,
  options: DecodeOptions,
): Promise<{ readonly floors: Floors; readonly rows: readonly BenchRow[] }> {
  const needed = decodePositions(options);
  if (needed > config.maxPositionEmbeddings) {
    throw new RangeError(
      `bench decode: depth ${Math.max(...options.depths)} with ${options.repeats} runs of ${options.tokens} tokens needs ${needed} positions, ${options.preset} has ${config.maxPositionEmbeddings}`,
    );
  }
  const before = measureFloors();
  const model = randomModel(config, options);
  using probe = new BandwidthProbe();
  const measured: Measured[] = [];
  for (const batch of options.batches) {
    for (const depth of options.depths) {
      measured.push(
        batch === 1
          ? await oneSequence(model, depth, probe, options)
          : await together(model, batch, depth, probe, options),
      );
    }
  }
  const floors = bestOfLooks(
    bestFloors(before, measureFloors()),
    measured.map(({ bandwidth }) => bandwidth),
  );
  const rows = measured.map((one) => rowOf(model, one, { ...floors, ...one.bandwidth }, options));
  model.free();
  return { floors, rows };
}

interface Measured {
  readonly name: string;
  readonly batch: number;
  readonly depth: number;
  /** Different experts that a layer's rows met. */
  readonly experts: number;
  /** Seconds of each run. */
  readonly ours: readonly number[];
  readonly peer: PeerRuns;
  readonly bandwidth: Bandwidth | null;
}

async function oneSequence(
  model: DeepseekV3,
  depth: number,
  probe: BandwidthProbe,
  options: DecodeOptions,
): Promise<Measured> {
  const { tokens, repeats, preset, say, peer } = options;
  const { vocabSize, numExpertsPerTok } = model.config;
  using cache = new SequenceCache(model, Math.max(1, depth) + tokens * (repeats + 1));
  await prefill(model, cache, randomTokens(Math.max(1, depth), vocabSize, 1));
  let seed = 2;
  const run = async (): Promise<void> => {
    for (const id of randomTokens(tokens, vocabSize, seed++)) argMax(await decode(model, cache, id));
  };
  await run();
  const name = `${preset} ${precisionName(options)} depth ${depth}`;
  if (peer && !("missing" in peer)) {
    await peer.run(`depth ${depth}`);
    await peer.run(`decode ${tokens}`);
  }
  const { ours, peers, bandwidth } = await measureSection({
    name: `decode ${name}`,
    rounds: repeats,
    say,
    probe,
    ours: () => timed(run),
    peers: peer ? [{ peer, ask: [`decode ${tokens}`] }] : [],
  });
  return { name, batch: 1, depth, experts: numExpertsPerTok, ours, peer: peers[0] ?? null, bandwidth };
}

async function together(
  model: DeepseekV3,
  batch: number,
  depth: number,
  probe: BandwidthProbe,
  options: DecodeOptions,
): Promise<Measured> {
  const { tokens, repeats, preset, say } = options;
  const { vocabSize } = model.config;
  using cache = new BatchedCache(model, batch, depth, tokens * (repeats + 1));
  let seed = 2;
  const run = async (onStep?: Parameters<typeof decodeTogether>[3]): Promise<void> => {
    const ids = randomTokens(batch * tokens, vocabSize, seed++);
    for (let step = 0; step < tokens; step++) {
      const logits = await decodeTogether(model, cache, ids.subarray(step * batch, (step + 1) * batch), onStep);
      for (let row = 0; row < batch; row++) argMax(logits.subarray(row * vocabSize, (row + 1) * vocabSize));
    }
  };
  // The unmeasured run counts the experts that the rows of a step meet.
  const met: number[] = [];
  await run((_, dispatched) => met.push(expertsMet(dispatched)));
  const experts = met.length === 0 ? 0 : met.reduce((sum, count) => sum + count, 0) / met.length;
  const name = `${preset} ${precisionName(options)} depth ${depth} batch ${batch}`;
  const { ours, bandwidth } = await measureSection({
    name: `decode ${name}`,
    rounds: repeats,
    say,
    probe,
    ours: () => timed(() => run()),
  });
  return { name, batch, depth, experts, ours, peer: null, bandwidth };
}

function rowOf(
  { config, parameters }: DeepseekV3,
  { name, batch, depth, experts, ours, peer }: Measured,
  floors: Floors,
  { tokens, repeats, threads, dtype }: DecodeOptions,
): BenchRow {
  const cost = decodeCost(config, parameters, {
    batch,
    length: Math.max(1, depth) + (tokens * repeats) / 2 + tokens,
    experts,
    bytesPerCacheValue: dtype === "float32" ? 4 : 2,
  });
  const step = decodeFloorSeconds(cost, floors, dtype === "float32" ? floors.f32Flops : floors.bf16Flops);
  return rateRow(
    {
      bench: "decode",
      case: name,
      threads,
      flops: (cost.productFlops + cost.attentionFlops) / batch,
      bytes: (cost.weightBytes + cost.cacheBytes) / batch,
      per: "token",
      readBytes: floors.readBytes,
      at: { batch, depth, experts },
    },
    "tokens/s",
    batch * tokens,
    ours,
    tokens * step,
    peer,
  );
}
