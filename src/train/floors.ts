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

/** @param bytes size of each array: well above the caches */
export function peakBandwidth(
  bytes = 256 * 2 ** 20,
  seconds = 0.5,
): { readonly readBytes: number; readonly triadBytes: number } {
  const n = bytes / 4;
  const [y, a, b] = [native().alloc(bytes), native().alloc(bytes), native().alloc(bytes)];
  const cell = native().alloc(64);
  for (const { address } of [y, a, b]) native().fill(address, 1, n);
  const best = (moved: number, body: () => void): number => {
    let rate = 0;
    const end = performance.now() + 500 * seconds;
    do {
      const begun = performance.now();
      body();
      rate = Math.max(rate, (1000 * moved) / (performance.now() - begun));
    } while (performance.now() < end);
    return rate;
  };
  const result = {
    readBytes: best(bytes, () => native().peakRead(cell.address, a.address, n)),
    triadBytes: best(3 * bytes, () => native().peakTriad(y.address, a.address, b.address, n)),
  };
  for (const { address } of [y, a, b]) native().release(address, bytes);
  return result;
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
  };
}
