/** A prompt in one pass, as generation runs it: tokens per second beside the arithmetic peak, and beside llama.cpp's better file type. */

import { prefill, SequenceCache } from "../generate/forward.js";
import type { ModelConfig } from "../model/config.js";
import { bestFloors, type Floors, measureFloors } from "../train/floors.js";
import { randomTokens } from "../train/measure.js";
import { prefillCost, prefillFloorSeconds } from "./inferenceCost.js";
import type { Peer } from "./peerProcess.js";
import { measureSection, type Say, timed } from "./rounds.js";
import { type BenchRow, fastest, rateRow } from "./row.js";
import { type ModelPrecision, precisionName, randomModel } from "./weights.js";

export interface PrefillOptions extends ModelPrecision {
  readonly preset: string;
  readonly tokens: number;
  readonly repeats: number;
  readonly threads: number;
  /** llama.cpp on its file types; the fastest counts. */
  readonly peers: readonly Peer[];
  readonly say: Say;
}

export async function benchPrefill(
  config: ModelConfig,
  options: PrefillOptions,
): Promise<{ readonly floors: Floors; readonly rows: readonly BenchRow[] }> {
  const { preset, tokens, repeats, threads, peers, say, dtype } = options;
  const before = measureFloors();
  const model = randomModel(config, options);
  const ids = randomTokens(tokens, config.vocabSize, 1);
  const once = (): Promise<number> =>
    timed(async () => {
      using cache = new SequenceCache(model, tokens);
      await prefill(model, cache, ids);
    });
  await once();
  const name = `${preset} ${precisionName(options)} ${tokens} tokens`;
  const { ours, peers: theirs } = await measureSection({
    name: `prefill ${name}`,
    rounds: repeats,
    say,
    ours: once,
    peers: peers.map((peer) => ({ peer, ask: [`prefill ${tokens}`] })),
  });
  const cost = prefillCost(model.config, model.parameters, tokens);
  model.free();
  const floors = bestFloors(before, measureFloors());
  const least = prefillFloorSeconds(cost, floors, dtype === "float32" ? floors.f32Flops : floors.bf16Flops);
  const row = rateRow(
    {
      bench: "prefill",
      case: name,
      threads,
      flops: (cost.productFlops + cost.attentionFlops) / tokens,
      bytes: cost.weightBytes / tokens,
      per: "token",
      at: { tokens },
    },
    "tokens/s",
    tokens,
    ours,
    least,
    fastest(theirs),
  );
  return { floors, rows: [row] };
}
