/**
 * What every benchmark returns: a figure beside the floor of the machine measured in the same run, and beside a peer where one ran. Ratios
 * are the better the larger, for rates and for costs alike: 1 = at the floor, 2 = twice as good as the peer.
 */
import { median } from "../train/measure.js";

export type BenchName =
  | "train"
  | "prefill"
  | "decode"
  | "javascript"
  | "quantization"
  | "speculation"
  | "load"
  | "serve"
  | "tokenizer"
  | "kernels";

/** Rates, of which more is better, then costs, of which less is. */
export type RateUnit = "tokens/s" | "requests/s" | "GFLOP/s" | "GB/s" | "MB/s";
export type CostUnit = "s" | "ms" | "MiB" | "%" | "perplexity";

export interface BenchRow {
  readonly bench: BenchName;
  /** What was measured, in words; names the row within its bench. */
  readonly case: string;
  /** Median of `samples`. */
  readonly figure: number;
  readonly unit: RateUnit | CostUnit;
  /** The best that this machine allows by its arithmetic and memory, in the same unit. */
  readonly floor: number;
  /** What `floor` is where it is no limit of the machine but a figure of the same run to compare with. */
  readonly floorName?: string;
  /** Share of the floor reached. */
  readonly ratio: number;
  readonly threads: number;
  /** The figure of each run. */
  readonly samples: readonly number[];
  /** The peer's figure in the same unit, and how many times better ours is. */
  readonly peer?: number;
  readonly peerRatio?: number;
  /** What the peer is, with its version; or what a peer that is missing needs. */
  readonly peerName?: string;
  /** Operations and bytes that the work of one `per` cannot do without, from which the floor was counted. */
  readonly flops?: number;
  readonly bytes?: number;
  readonly per?: "token" | "step" | "call";
  /** Bytes per second of the memory, measured in turn with the runs. */
  readonly readBytes?: number;
  /** The numbers of the case, for plots: depth, batch, experts, ... */
  readonly at?: Readonly<Record<string, number>>;
}

/** A peer's runs in turn with ours, or what to install. */
export type PeerRuns =
  | { readonly name: string; readonly samples: readonly number[] }
  | { readonly missing: string }
  | null;

export type RowFacts = Pick<BenchRow, "bench" | "case" | "threads"> &
  Pick<Partial<BenchRow>, "flops" | "bytes" | "per" | "readBytes" | "at" | "floorName">;

const scales: Readonly<Record<RateUnit, number>> = {
  "tokens/s": 1,
  "requests/s": 1,
  "GFLOP/s": 1e9,
  "GB/s": 1e9,
  "MB/s": 1e6,
};

/**
 * A rate from times.
 * @param work units of one run: tokens, operations, bytes
 * @param seconds of each run @param floorSeconds least time of a run on this machine @param peer its samples in seconds of the same work
 */
export function rateRow(
  facts: RowFacts,
  unit: RateUnit,
  work: number,
  seconds: readonly number[],
  floorSeconds: number,
  peer: PeerRuns = null,
): BenchRow {
  const rate = (time: number): number => work / time / scales[unit];
  const time = median(seconds);
  return {
    ...facts,
    figure: rate(time),
    unit,
    floor: rate(floorSeconds),
    ratio: floorSeconds / time,
    samples: seconds.map(rate),
    ...peerFields(peer, rate, (theirs) => theirs / time),
  };
}

/** A cost, of which less is better. @param floor the least there can be, in the unit */
export function costRow(
  facts: RowFacts,
  unit: CostUnit,
  samples: readonly number[],
  floor: number,
  peer: PeerRuns = null,
): BenchRow {
  const figure = median(samples);
  const same = (value: number): number => value;
  return {
    ...facts,
    figure,
    unit,
    floor,
    ratio: floor / figure,
    samples,
    ...peerFields(peer, same, (theirs) => theirs / figure),
  };
}

function peerFields(
  peer: PeerRuns,
  figureOf: (median: number) => number,
  ratioOf: (median: number) => number,
): Pick<BenchRow, "peer" | "peerRatio" | "peerName"> {
  if (!peer) return {};
  if ("missing" in peer) return { peerName: peer.missing };
  const theirs = median(peer.samples);
  return { peer: figureOf(theirs), peerRatio: ratioOf(theirs), peerName: peer.name };
}

/** Of several peers that did the same work the fastest; a missing one only if none ran. */
export function fastest(peers: readonly PeerRuns[]): PeerRuns {
  let best: PeerRuns = null;
  for (const peer of peers) {
    if (!peer) continue;
    if ("missing" in peer) best ??= peer;
    else if (!best || "missing" in best || median(peer.samples) < median(best.samples)) best = peer;
  }
  return best;
}
