/**
 * Runs in turn: ours, then each peer, and again, so that a slow minute of the machine meets all of them alike. Begin and end of a section
 * are told as they happen, with the seconds that our own clock saw; whoever reads the lines can hold a clock of their own against them.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Bandwidth, BandwidthProbe } from "../train/floors.js";
import type { Peer } from "./peerProcess.js";
import type { PeerRuns } from "./row.js";

export type Say = (line: string) => void;

/** Idle threads of OpenMP and ggml keep a core busy for some milliseconds after their work. */
const settleMs = 30;

export interface Section {
  /** Seconds of each of our runs. */
  readonly ours: readonly number[];
  /** The same of the peers, in their order. */
  readonly peers: readonly PeerRuns[];
  /** Median of the looks at the memory, if there was a probe. */
  readonly bandwidth: Bandwidth | null;
}

export interface SectionOptions {
  readonly name: string;
  readonly rounds: number;
  readonly say: Say;
  /** Looks at the memory before each of our runs. */
  readonly probe?: BandwidthProbe;
  /** One run of ours. @returns its seconds */
  readonly ours: () => number | Promise<number>;
  /** With the lines that ask each for one run of the same work; the seconds of the last answer count. */
  readonly peers?: readonly { readonly peer: Peer; readonly ask: readonly string[] }[];
}

export async function measureSection(options: SectionOptions): Promise<Section> {
  const { name, rounds, say, probe, ours, peers = [] } = options;
  const samples: number[] = [];
  const theirs = peers.map((): number[] => []);
  say(`bench: begin ${name}`);
  const begun = performance.now();
  let looked = 0;
  for (let round = 0; round < rounds; round++) {
    const before = performance.now();
    probe?.look();
    looked += performance.now() - before;
    samples.push(await ours());
    for (const [i, { peer, ask }] of peers.entries()) {
      if ("missing" in peer) continue;
      let seconds = Number.NaN;
      for (const line of ask) seconds = await peer.run(line);
      theirs[i]?.push(seconds);
      await sleep(settleMs);
    }
  }
  const looks = probe ? `, ${(looked / 1000).toFixed(3)} s of it looking at the memory` : "";
  say(`bench: end ${name} ${((performance.now() - begun) / 1000).toFixed(3)} s${looks}`);
  return {
    ours: samples,
    bandwidth: probe?.takeMedian() ?? null,
    peers: peers.map(({ peer }, i) =>
      "missing" in peer ? { missing: peer.missing } : { name: peer.name, samples: theirs[i] ?? [] },
    ),
  };
}

/** Seconds of one call. */
export async function timed(body: () => unknown): Promise<number> {
  const begun = performance.now();
  await body();
  return (performance.now() - begun) / 1000;
}

/**
 * Median seconds of a call too short for one look at the clock: calls that fill `fillMs`, three at least, after one that finds the caches as others have
 * left them; so the peer measures too.
 */
export function shortSeconds(body: () => void, fillMs = 60): number {
  const times: number[] = [];
  body();
  const end = performance.now() + fillMs;
  do {
    const begun = performance.now();
    body();
    times.push((performance.now() - begun) / 1000);
  } while (performance.now() < end || times.length < 3);
  return times.sort((a, b) => a - b)[times.length >> 1] ?? Number.NaN;
}

/** What the section's lines say; null for other lines. */
export function parseMark(line: string): { readonly name: string; readonly seconds: number | null } | null {
  const match = /^bench: (begin|end) (.*?)(?: ([\d.]+) s(?:, [\d.]+ s of it looking at the memory)?)?$/.exec(line);
  if (!match) return null;
  const [, kind, name = "", seconds] = match;
  return { name, seconds: kind === "end" ? Number(seconds) : null };
}
