/**
 * Training steps on random tokens, 4,096 a step as the PyTorch peer has them: tokens per second beside the peak of the machine, in model FLOPs
 * (attention counted in full, as the peers count), and beside the fastest PyTorch that runs. The peak is the larger of the two types', so that
 * float32 and bfloat16 are held against the same.
 */
import type { ModelConfig } from "../model/config.js";
import { flopsPerTokenTraining, parameterCounts } from "../model/flops.js";
import type { TrainPrecision } from "../tensor/dtype.js";
import { bestFloors, type Floors, measureFloors } from "../train/floors.js";
import { startTraining, type TrainingSpeed, trainingSpeed } from "../train/measure.js";
import type { Peer } from "./peerProcess.js";
import { measureSection, type Say } from "./rounds.js";
import { type BenchRow, costRow, rateRow } from "./row.js";

export interface TrainingOptions {
  readonly preset: string;
  /** What the config changes of the preset, as part of the row's name: "32 experts". */
  readonly variant: string | null;
  readonly dtype: TrainPrecision;
  /** Counted steps. */
  readonly steps: number;
  readonly threads: number;
  readonly seed: number;
  readonly sequenceLength: number;
  readonly batchSize: number;
  readonly recompute: boolean;
  /** PyTorch, and the memory that its mode took; null to do without. */
  readonly peer: { readonly runs: Peer; readonly peakMemoryBytes: number } | null;
  readonly say: Say;
}

export interface TrainingBench {
  readonly floors: Floors;
  readonly rows: readonly BenchRow[];
  readonly speed: TrainingSpeed;
}

export async function benchTraining(config: ModelConfig, options: TrainingOptions): Promise<TrainingBench> {
  const { preset, variant, dtype, steps, threads, sequenceLength: length, batchSize, peer, say } = options;
  const before = measureFloors();
  const training = startTraining(config, options);
  const seen = [await training.step(), await training.step()];
  const name = variant === null ? `${preset} ${dtype}` : `${preset} ${dtype} ${variant}`;
  const { ours, peers } = await measureSection({
    name: `train ${name}`,
    rounds: steps,
    say,
    ours: async () => {
      const step = await training.step();
      seen.push(step);
      return step.seconds;
    },
    peers: peer ? [{ peer: peer.runs, ask: ["step"] }] : [],
  });
  training.free();
  // Before the second look at the floors, whose arrays would count.
  const peakMemoryBytes = process.resourceUsage().maxRSS * 1024;
  const floors = bestFloors(before, measureFloors());
  const typePeak = dtype === "float32" ? floors.f32Flops : floors.bf16Flops;
  const speed = { ...trainingSpeed(config, options, seen, typePeak), peakMemoryBytes };
  const tokens = batchSize * length;
  const flops = flopsPerTokenTraining(config, length, false).total;
  const peak = Math.max(floors.f32Flops, floors.bf16Flops);
  const at = { experts: config.nRoutedExperts };
  const facts = { bench: "train", case: name, threads, at } as const;
  const speedRow = rateRow(
    { ...facts, flops, per: "token" },
    "tokens/s",
    tokens,
    ours,
    (tokens * flops) / peak,
    peers[0] ?? null,
  );
  const state = stateBytes(config, dtype);
  const theirs = peers[0] ?? null;
  const memoryRow = costRow(
    { ...facts, case: `${name} peak memory`, bytes: state, per: "step" },
    "MiB",
    [peakMemoryBytes / 2 ** 20],
    state / 2 ** 20,
    peer && theirs && "samples" in theirs ? { name: theirs.name, samples: [peer.peakMemoryBytes / 2 ** 20] } : theirs,
  );
  return { floors, rows: [speedRow, memoryRow], speed };
}

/** The same in another precision, in turn: how much faster ours is, and how much less it keeps for the backward. */
export async function benchBeside(
  config: ModelConfig,
  options: Omit<TrainingOptions, "peer"> & { readonly beside: TrainPrecision },
): Promise<TrainingBench> {
  const { preset, dtype, beside, steps, threads, sequenceLength: length, batchSize, say } = options;
  const before = measureFloors();
  const both = [dtype, beside].map((precision) => ({
    training: startTraining(config, { ...options, dtype: precision }),
    seen: [] as Awaited<ReturnType<ReturnType<typeof startTraining>["step"]>>[],
  }));
  const stepBoth = async (): Promise<number> => {
    for (const { training, seen } of both) seen.push(await training.step());
    return both[0]?.seen.at(-1)?.seconds ?? Number.NaN;
  };
  await stepBoth();
  await stepBoth();
  await measureSection({ name: `train ${preset} ${dtype} beside ${beside}`, rounds: steps, say, ours: stepBoth });
  for (const { training } of both) training.free();
  const floors = bestFloors(before, measureFloors());
  const peak = Math.max(floors.f32Flops, floors.bf16Flops);
  const [speed, other] = both.map(({ seen }) => trainingSpeed(config, options, seen, peak));
  if (!speed || !other) throw new Error("internal: two trainings");
  const tokens = batchSize * length;
  const flops = flopsPerTokenTraining(config, length, false).total;
  const name = `our ${beside}`;
  const facts = { bench: "train", threads } as const;
  const mib = ({ activationBytes }: TrainingSpeed): number => activationBytes / 2 ** 20;
  return {
    floors,
    speed,
    rows: [
      rateRow(
        { ...facts, case: `${preset} ${dtype} beside ${beside}`, flops, per: "token" },
        "tokens/s",
        tokens,
        speed.stepSeconds,
        (tokens * flops) / peak,
        { name, samples: other.stepSeconds },
      ),
      costRow({ ...facts, case: `${preset} ${dtype} activations`, floorName: name }, "MiB", [mib(speed)], mib(other), {
        name,
        samples: [mib(other)],
      }),
    ],
  };
}

/** What training keeps of each parameter: master, gradient and two moments (bfloat16 beside FP8), and the working copy of a narrower type. */
const stateBytesPerParameter: Readonly<Record<TrainPrecision, number>> = { float32: 16, bfloat16: 18, fp8: 13 };

function stateBytes(config: ModelConfig, dtype: TrainPrecision): number {
  const { total, mtp } = parameterCounts(config);
  return (total + mtp) * stateBytesPerParameter[dtype];
}
