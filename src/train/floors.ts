/** Floors of the machine, measured: what its arithmetic units and its memory can do at most. Every speed is quoted as a share of them. */
import { native } from "../tensor/native.js";

export interface Floors {
  /** f32 multiply-adds in registers, operations per second over all threads. */
  readonly f32Flops: number;
  /** bf16 products into f32: by dot products, or widened to f32 where the CPU has none or slow ones. */
  readonly bf16Flops: number;
  /** Bytes per second, reading. */
  readonly readBytes: number;
  /** Bytes per second of y = a + 3 b, the three streams counted, stores past the caches. */
  readonly triadBytes: number;
  /** The same of three arrays that are read and written in place and a fourth that is read, as an optimizer does. */
  readonly updateBytes: number;
}

/** Operations per second in the type: for bf16 by dot products or, where that is faster, widened to f32. */
export function peakFlops(kind: "float32" | "bfloat16"): number {
  const f32 = bestRate(0);
  return kind === "float32" ? f32 : Math.max(f32, bestRate(1));
}

/** The best of several short runs, since neighbours on the machine only ever take away. @param kind as the kernel peakFlops takes it */
function bestRate(kind: 0 | 1, seconds = 0.2): number {
  const cell = native().alloc(64);
  const operations = new Float64Array(cell.buffer, 0, 1);
  let iterations = 1 << 16;
  let best = 0;
  const end = performance.now() + 1000 * seconds;
  do {
    const begun = performance.now();
    native().peakFlops(cell.address, iterations, kind);
    const elapsed = (performance.now() - begun) / 1000;
    best = Math.max(best, (operations[0] ?? 0) / elapsed);
    if (elapsed < 0.02) iterations *= 2;
  } while (performance.now() < end);
  return best;
}

export type Bandwidth = Pick<Floors, "readBytes" | "triadBytes" | "updateBytes">;

/** Bytes read at once: far above the caches. */
const probedBytes = 256 * 2 ** 20;
/** How far ahead lines are asked for: not at all, or as far as was measured best; which is faster differs between machines. */
const readAhead = [0, 16384];

/**
 * The speed of the memory, to be looked at again and again in short looks: on a shared machine it changes from one second to the next (from 35 to
 * 61 GB/s was seen), so a figure bound by memory only means something beside a look at the same time.
 */
export class BandwidthProbe {
  readonly #block = native().alloc(probedBytes);
  readonly #cell = native().alloc(64);
  readonly #looks: Bandwidth[] = [];

  constructor() {
    native().fill(this.#block.address, 1, probedBytes / 4);
  }

  /** The best of some runs within the look, since neighbours on the machine only ever take away. @param seconds about as long */
  look(seconds = 0.08): Bandwidth {
    const { address } = this.#block;
    const n = probedBytes / 16;
    const [a, b, c, d] = [0, 1, 2, 3].map((part) => address + 4 * n * part) as [number, number, number, number];
    const best = (moved: number, ...bodies: (() => void)[]): number => {
      let rate = 0;
      const end = performance.now() + (1000 * seconds) / 3;
      do {
        for (const body of bodies) {
          const begun = performance.now();
          body();
          rate = Math.max(rate, (1000 * moved) / (performance.now() - begun));
        }
      } while (performance.now() < end);
      return rate;
    };
    const reads = readAhead.map((ahead) => () => native().peakRead(this.#cell.address, address, 4 * n, ahead));
    const look = {
      readBytes: best(probedBytes, ...reads),
      triadBytes: best(12 * n, () => native().peakTriad(a, b, c, n)),
      updateBytes: best(28 * n, () => native().peakUpdate(a, b, c, d, n)),
    };
    this.#looks.push(look);
    return look;
  }

  /** The median of the looks since the last call, which takes them. @throws Error if there were none */
  takeMedian(): Bandwidth {
    const looks = this.#looks.splice(0);
    if (looks.length === 0) throw new Error("internal: no look at the memory");
    const of = (name: keyof Bandwidth): number =>
      looks.map((look) => look[name]).sort((x, y) => x - y)[looks.length >> 1] ?? 0;
    return { readBytes: of("readBytes"), triadBytes: of("triadBytes"), updateBytes: of("updateBytes") };
  }

  [Symbol.dispose](): void {
    native().release(this.#block.address, probedBytes);
  }
}

export function peakBandwidth(): Bandwidth {
  using probe = new BandwidthProbe();
  return probe.look(0.6);
}

export function measureFloors(): Floors {
  return { f32Flops: peakFlops("float32"), bf16Flops: peakFlops("bfloat16"), ...peakBandwidth() };
}

/** The better of two measurements, since neighbours on the machine only ever take away. */
export function bestFloors(a: Floors, b: Floors): Floors {
  return {
    f32Flops: Math.max(a.f32Flops, b.f32Flops),
    bf16Flops: Math.max(a.bf16Flops, b.bf16Flops),
    readBytes: Math.max(a.readBytes, b.readBytes),
    triadBytes: Math.max(a.triadBytes, b.triadBytes),
    updateBytes: Math.max(a.updateBytes, b.updateBytes),
  };
}

/** The same with what the memory did at its best in looks of their own. */
export function bestOfLooks(floors: Floors, looks: readonly (Bandwidth | null)[]): Floors {
  const { f32Flops, bf16Flops } = floors;
  return looks.reduce<Floors>(
    (best, look) => (look === null ? best : bestFloors(best, { f32Flops, bf16Flops, ...look })),
    floors,
  );
}
