/** Single kernels at the sizes that a model meets, each beside the larger of its two floors: operations over the peak, bytes over the bandwidth. */
import { quantGroups } from "../checkpoint/modelFiles.js";
import { Arena } from "../tensor/arena.js";
import type { ComputeDtype, QuantDtype } from "../tensor/dtype.js";
import { native } from "../tensor/native.js";
import { groupedLinear, linear } from "../tensor/ops/linear.js";
import { createParameter, createQuantized, type Parameter } from "../tensor/parameter.js";
import { Tape } from "../tensor/tape.js";
import { Tensor } from "../tensor/tensor.js";
import {
  type Bandwidth,
  BandwidthProbe,
  bestFloors,
  bestOfLooks,
  type Floors,
  measureFloors,
} from "../train/floors.js";
import type { Peer } from "./peerProcess.js";
import { measureSection, type Say, shortSeconds } from "./rounds.js";
import { type BenchRow, type PeerRuns, rateRow } from "./row.js";
import { formatNames, quantizeInto, weightBytes } from "./weights.js";

export interface KernelOptions {
  /** Looks at each kernel; the median counts. */
  readonly repeats: number;
  readonly threads: number;
  /** Divides the sizes, for tests. */
  readonly shrink: number;
  /** oneDNN, for the products that it has; null to do without. */
  readonly peer: Peer | null;
  readonly say: Say;
}

/** What one call does at least. */
interface Work {
  readonly name: string;
  readonly dtype: ComputeDtype;
  readonly flops: number;
  readonly bytes: number;
  readonly run: () => void;
  /** What asks the peer for the same. */
  readonly ask?: string;
  /** The rate to tell: operations, or bytes where memory is the floor. */
  readonly unit?: "GFLOP/s" | "GB/s";
  /** Updates arrays in place, so that this is its memory floor and not reading. */
  readonly isUpdate?: boolean;
}

export async function benchKernels(
  options: KernelOptions,
): Promise<{ readonly floors: Floors; readonly rows: readonly BenchRow[] }> {
  const before = measureFloors();
  using probe = new BandwidthProbe();
  const rowsOf: RowOf[] = [];
  for (const dtype of ["float32", "bfloat16"] as const) {
    const memory = new Memory();
    for (const work of [...products(memory, dtype, options.shrink), ...others(memory, dtype, options.shrink)]) {
      rowsOf.push(await measured(work, probe, options));
    }
    memory.free();
  }
  rowsOf.push(...(await quantizedLinears(probe, options)));
  const floors = bestOfLooks(
    bestFloors(before, measureFloors()),
    rowsOf.map(({ bandwidth }) => bandwidth),
  );
  return { floors, rows: rowsOf.map(({ row, bandwidth }) => row({ ...floors, ...bandwidth })) };
}

/** A row that waits for the arithmetic's floors, which are measured before and after; those of the memory are of its own time. */
interface RowOf {
  readonly row: (floors: Floors) => BenchRow;
  readonly bandwidth: Bandwidth | null;
}

async function measured(work: Work, probe: BandwidthProbe, options: KernelOptions): Promise<RowOf> {
  const { name, dtype, flops, bytes, run, ask, unit = "GFLOP/s", isUpdate = false } = work;
  run();
  const peers = ask !== undefined && options.peer ? [{ peer: options.peer, ask: [ask] }] : [];
  const {
    ours,
    peers: theirs,
    bandwidth,
  } = await measureSection({
    name: `kernels ${name}`,
    rounds: options.repeats,
    say: options.say,
    probe,
    ours: () => shortSeconds(run),
    peers,
  });
  const facts = { bench: "kernels", case: name, threads: options.threads, flops, bytes, per: "call" } as const;
  const row: RowOf["row"] = ({ f32Flops, bf16Flops, readBytes, updateBytes }) => {
    const peak = dtype === "float32" ? f32Flops : bf16Flops;
    const memory = isUpdate ? updateBytes : readBytes;
    const least = Math.max(flops / peak, bytes / memory);
    const work = unit === "GB/s" ? bytes : flops;
    return rateRow({ ...facts, readBytes: memory }, unit, work, ours, least, theirs[0] ?? null);
  };
  return { row, bandwidth };
}

/** Weights of decoding come from memory, so calls take turns over copies of so many bytes. */
const streamedBytes = 2 ** 28;

/** Matrices of normal numbers in native memory. */
class Memory {
  readonly arena = new Arena();
  readonly #tensors: Tensor[] = [];

  random(count: number, dtype: ComputeDtype): Tensor {
    const floats = this.#kept(Tensor.empty(this.arena, [count], "float32"));
    native().randomNormal(floats.address, count, 1, 1, 0, 0.1);
    return dtype === "float32" ? floats : this.#kept(floats.converted(this.arena, dtype));
  }

  ints(values: ArrayLike<number>): Tensor {
    return this.#kept(Tensor.fromInts(this.arena, values));
  }

  free(): void {
    for (const tensor of this.#tensors) tensor.free();
  }

  #kept(tensor: Tensor): Tensor {
    this.#tensors.push(tensor);
    return tensor;
  }
}

function* products(memory: Memory, dtype: ComputeDtype, shrink: number): Iterable<Work> {
  const n = native();
  const [name, code, width] = dtype === "float32" ? (["f32", 0, 4] as const) : (["bf16", 1, 2] as const);
  const sized = (size: number): number => Math.max(32, Math.round(size / shrink / 32) * 32);
  const gemms: readonly (readonly [number, number, number, 0 | 1, 0 | 1])[] = [
    [1024, 1024, 1024, 0, 1],
    [1024, 128, 256, 0, 1],
    [4096, 256, 256, 0, 1],
    [4096, 256, 256, 0, 0],
    [256, 256, 4096, 1, 0],
    [4096, 4096, 256, 0, 1],
  ];
  for (const [fullM, fullN, fullK, transA, transB] of gemms) {
    const [m, cols, k] = [sized(fullM), sized(fullN), sized(fullK)];
    const [a, b, c] = [memory.random(m * k, dtype), memory.random(k * cols, dtype), memory.random(m * cols, dtype)];
    const [lda, ldb] = [transA ? m : k, transB ? k : cols];
    yield {
      name: `gemm ${name} ${transA ? "AᵀB" : transB ? "ABᵀ" : "AB"} ${m} x ${cols} x ${k}`,
      dtype,
      flops: 2 * m * cols * k,
      bytes: width * (m * k + k * cols + m * cols),
      run: () =>
        n.gemm(c.address, a.address, b.address, m, cols, k, lda, ldb, cols, transA, transB, 0, code, code, code),
      // A product with weights; the others are gradients.
      ...(transB ? { ask: `${name} 1 ${m} ${cols} ${k}` } : {}),
    };
  }
  for (const fullN of [128, 256]) {
    const [groups, perGroup, k, cols] = [16, sized(1024), sized(256), sized(fullN)];
    const offsets = memory.ints(Array.from({ length: groups + 1 }, (_, i) => i * perGroup));
    const a = memory.random(groups * perGroup * k, dtype);
    const b = memory.random(groups * cols * k, dtype);
    const c = memory.random(groups * perGroup * cols, dtype);
    yield {
      name: `grouped gemm ${name} ${groups} x ${perGroup} x ${cols} x ${k}`,
      dtype,
      flops: 2 * groups * perGroup * cols * k,
      bytes: width * groups * (perGroup * k + cols * k + perGroup * cols),
      run: () =>
        n.groupedGemm(c.address, a.address, b.address, offsets.address, groups, cols, k, 1, 0, code, code, code),
      ask: `${name} ${groups} ${perGroup} ${cols} ${k}`,
    };
  }
}

function* others(memory: Memory, dtype: ComputeDtype, shrink: number): Iterable<Work> {
  const n = native();
  const [name, code, width] = dtype === "float32" ? (["f32", 0, 4] as const) : (["bf16", 1, 2] as const);
  const [rowsOut, inner] = [8192 / shrink, 4096 / shrink];
  const weights = rowsOut * inner;
  const copies = Math.ceil(streamedBytes / shrink / (width * weights));
  const [x, w, y] = [
    memory.random(inner, dtype),
    memory.random(copies * weights, dtype),
    memory.random(rowsOut, dtype),
  ];
  let call = 0;
  yield {
    name: `decode ${name}, 1 row ${rowsOut} x ${inner}`,
    dtype,
    flops: 2 * rowsOut * inner,
    bytes: width * rowsOut * inner,
    run: () => {
      const at = w.address + (call++ % copies) * width * weights;
      n.linearDecode(y.address, x.address, at, 1, rowsOut, inner, code, code, code);
    },
    unit: "GB/s",
  };
  const [length, heads, dn, dr, dv] = [1024 / shrink, 8, 64, 32, 64];
  const bounds = memory.ints([0, length]);
  const q = memory.random(length * heads * (dn + dr), dtype);
  const kv = memory.random(length * heads * (dn + dv), dtype);
  const kRope = memory.random(length * dr, dtype);
  const o = memory.random(length * heads * dv, dtype);
  const lse = memory.random(heads * length, "float32");
  const [dq, dkv, dkRope] = [q, kv, kRope].map(({ size }) => memory.random(size, dtype)) as [Tensor, Tensor, Tensor];
  const scale = 1 / Math.sqrt(dn + dr);
  const causal = (length * (length + 1)) / 2;
  const size = `${length} tokens, ${heads} heads of ${dn}+${dr}/${dv}`;
  const bytes = width * (q.size + kv.size + kRope.size + o.size);
  const inputs = [q.address, kv.address, kRope.address] as const;
  yield {
    name: `attention ${name} forward ${size}`,
    dtype,
    flops: 2 * heads * causal * (dn + dr + dv),
    bytes,
    run: () =>
      n.attentionForward(
        ...[o.address, lse.address, ...inputs, bounds.address, bounds.address],
        ...([1, length, heads, heads, dn, dr, dv, dr, scale, code] as const),
      ),
  };
  yield {
    name: `attention ${name} backward ${size}`,
    dtype,
    // Five products of the forward's two sizes: scores and dP again, then dQ, dK, dV.
    flops: 2 * heads * causal * (3 * (dn + dr) + 2 * dv),
    bytes: 2 * bytes,
    run: () =>
      n.attentionBackward(
        ...([dq.address, dkv.address, dkRope.address, o.address, ...inputs, o.address, lse.address] as const),
        ...([bounds.address, 1, length, heads, heads, dn, dr, dv, dr, dr, scale, code] as const),
      ),
  };
  yield absorbedAttention(memory, dtype, shrink);
  yield adamw(memory, dtype, shrink);
}

/** One token of a sequence over its cached latents, which all heads share; the sizes of DeepSeek-V3's cache and of an eighth of its heads. */
function absorbedAttention(memory: Memory, dtype: ComputeDtype, shrink: number): Work {
  const [name, code, width] = dtype === "float32" ? (["f32", 0, 4] as const) : (["bf16", 1, 2] as const);
  const [heads, c, dr, pageSize, depth] = [16, 512, 64, 16, 4096 / shrink];
  const cache = memory.random(depth * (c + dr), dtype);
  const q = memory.random(heads * (c + dr), dtype);
  const o = memory.random(heads * c, dtype);
  const table = memory.ints(Array.from({ length: depth / pageSize }, (_, page) => page));
  const lengths = memory.ints([depth]);
  return {
    name: `absorbed attention ${name} 1 token over ${depth}, ${heads} heads of ${c}+${dr}`,
    dtype,
    flops: 2 * heads * depth * (c + dr + c),
    bytes: width * depth * (c + dr),
    run: () =>
      native().mlaDecode(
        ...([o.address, q.address, cache.address, table.address, lengths.address, 1, heads, c, dr] as const),
        ...([pageSize, depth / pageSize, 1 / Math.sqrt(192), code, code] as const),
      ),
  };
}

/** As training has it: beside float32 with float32 moments, else with bfloat16 moments and a working copy in bfloat16. */
function adamw(memory: Memory, dtype: ComputeDtype, shrink: number): Work {
  const count = 2 ** 24 / shrink;
  const isWide = dtype === "float32";
  const [p, g] = [memory.random(count, "float32"), memory.random(count, "float32")];
  const [m1, v1] = [memory.random(count, dtype), memory.random(count, dtype)];
  native().scale(v1.address, 0, count, v1.code);
  const working = isWide ? null : memory.random(count, "bfloat16");
  const rates = [1, 1e-4, 0.9, 0.95, 1e-8, 0.1, 0.1, 0.05] as const;
  return {
    name: `adamw ${isWide ? "f32" : "bf16 moments and copy"} ${count} values`,
    dtype,
    flops: 14 * count,
    // Parameters and moments are read and written, the gradient is read, the copy written.
    bytes: (isWide ? 28 : 22) * count,
    run: () =>
      native().adamw(
        ...([p.address, working?.address ?? null, m1.address, v1.address, g.address, count] as const),
        ...([...rates, m1.code] as const),
      ),
    unit: "GB/s",
    isUpdate: true,
  };
}

/** A projection, or one for each expert, and the rows that meet it: of decoding, of a batch, of a prefill. */
interface QuantizedShape {
  readonly name: string;
  /** [out, in], or [experts, out, in]. */
  readonly shape: readonly number[];
  readonly rows: readonly number[];
}

/** Weights in bf16 and in 8 and 4 bits; the peer is our bf16. */
async function quantizedLinears(probe: BandwidthProbe, options: KernelOptions): Promise<RowOf[]> {
  const { shrink } = options;
  const experts = { name: "grouped linear", shape: [16, 256 / shrink, 256 / shrink], rows: [64, 1024] };
  return [
    ...(await quantizedProducts(
      { name: "linear", shape: [4096 / shrink, 4096 / shrink], rows: [1, 64, 512] },
      probe,
      options,
    )),
    ...(await quantizedProducts(experts, probe, options)),
  ];
}

async function quantizedProducts(
  { name: kind, shape, rows: counts }: QuantizedShape,
  probe: BandwidthProbe,
  { shrink, repeats, threads, say }: KernelOptions,
): Promise<RowOf[]> {
  const [out = 0, inner = 0] = shape.slice(-2);
  const groups = shape.length === 3 ? (shape[0] ?? 1) : 1;
  const arena = new Arena();
  const floats = Tensor.empty(arena, shape, "float32");
  native().randomNormal(floats.address, floats.size, 1, 1, 0, 0.02);
  const copiesOf = (made: () => Parameter): Parameter[] => {
    const first = made();
    const more = Math.ceil(streamedBytes / shrink / weightBytes(first)) - 1;
    return [first, ...Array.from({ length: more }, made)];
  };
  const plain = copiesOf(() => {
    const weight = createParameter(arena, "bf16", shape, "bfloat16");
    native().convert(weight.data.address, floats.address, floats.size, 1, 0);
    return weight;
  });
  const rows: RowOf[] = [];
  for (const dtype of ["float8_e4m3fn", "int8", "int4"] as const) {
    const weights = copiesOf(() => quantized(arena, floats, dtype));
    for (const count of counts) {
      const x = Tensor.zeros(arena, [groups * count, inner], "bfloat16");
      const values = Tensor.empty(arena, x.shape, "float32");
      native().randomNormal(values.address, values.size, 1, 2, 0, 1);
      native().convert(x.address, values.address, x.size, 1, 0);
      values.free();
      const offsets = Tensor.fromInts(
        arena,
        Array.from({ length: groups + 1 }, (_, group) => group * count),
      );
      let call = 0;
      const run = (copies: readonly Parameter[]): void => {
        const parameter = copies[call++ % copies.length];
        if (!parameter) throw new Error("internal: no weights");
        using tape = new Tape(arena, { hasGrad: false });
        if (groups > 1) groupedLinear(tape, x, parameter, offsets);
        else linear(tape, x, parameter, count < 64 ? "decode" : "prefill");
      };
      run(weights);
      run(plain);
      const bf16: number[] = [];
      const name = `${kind} ${formatNames[dtype]} ${groups > 1 ? `${groups} x ` : ""}${count} x ${out} x ${inner}`;
      const { ours, bandwidth } = await measureSection({
        name: `kernels ${name}`,
        rounds: repeats,
        say,
        probe,
        ours: () => {
          bf16.push(shortSeconds(() => run(plain)));
          return shortSeconds(() => run(weights));
        },
      });
      const flops = 2 * x.rows * out * inner;
      const bytes = (weights[0] ? weightBytes(weights[0]) : 0) + 2 * x.rows * (out + inner);
      const facts = { bench: "kernels", case: name, threads, flops, bytes, per: "call", at: { rows: count } } as const;
      const peer: PeerRuns = { name: "our bf16", samples: bf16 };
      const row: RowOf["row"] = ({ bf16Flops, readBytes }) => {
        const least = Math.max(flops / bf16Flops, bytes / readBytes);
        return rateRow({ ...facts, readBytes }, "GFLOP/s", flops, ours, least, peer);
      };
      rows.push({ row, bandwidth });
      x.free();
      offsets.free();
    }
    for (const { data, scales } of weights) {
      data.free();
      scales?.values.free();
    }
  }
  return rows;
}

function quantized(arena: Arena, floats: Tensor, dtype: QuantDtype): Parameter {
  const columns = floats.shape.at(-1) ?? 1;
  const weight = createQuantized(arena, dtype, floats.shape, dtype, quantGroups[dtype]);
  quantizeInto(weight, 0, floats.address, floats.size / columns, columns);
  return weight;
}
