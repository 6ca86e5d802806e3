/** Times single kernels at the sizes a model meets and puts each beside the floor that bounds it. */
import { native } from "../tensor/native.js";
import { type Floors, measureFloors } from "./floors.js";
import { median } from "./measure.js";

export interface KernelRow {
  readonly kernel: string;
  readonly size: string;
  readonly figure: number;
  readonly floor: number;
  readonly unit: "GFLOP/s" | "GB/s";
  readonly ratio: number;
}

export function benchKernels(repeats: number): { readonly floors: Floors; readonly rows: readonly KernelRow[] } {
  const floors = measureFloors();
  const n = native();
  const rows: KernelRow[] = [];
  const seconds = (body: () => void): number => {
    body();
    return median(
      Array.from({ length: repeats }, () => {
        const begun = performance.now();
        body();
        return (performance.now() - begun) / 1000;
      }),
    );
  };
  const add = (
    kernel: string,
    size: string,
    work: number,
    floor: number,
    unit: KernelRow["unit"],
    body: () => void,
  ): void => {
    const figure = work / seconds(body);
    rows.push({ kernel, size, figure: figure / 1e9, floor: floor / 1e9, unit, ratio: figure / floor });
  };
  const random = (count: number, code: 0 | 1): number => {
    const floats = n.alloc(count * 4);
    n.randomNormal(floats.address, count, 1, 1, 0, 0.1);
    kept.push(floats);
    if (code === 0) return floats.address;
    const narrow = n.alloc(count * 2);
    kept.push(narrow);
    n.convert(narrow.address, floats.address, count, 1, 0);
    return narrow.address;
  };
  const kept: unknown[] = [];
  for (const code of [0, 1] as const) {
    const [name, peak, bytes] = code === 0 ? ["f32", floors.f32Flops, 4] : ["bf16", floors.bf16Flops, 2];
    const gemms: readonly (readonly [number, number, number, 0 | 1, 0 | 1])[] = [
      [1024, 1024, 1024, 0, 1],
      [4096, 256, 256, 0, 1],
      [4096, 256, 256, 0, 0],
      [256, 256, 4096, 1, 0],
      [4096, 4096, 256, 0, 1],
    ];
    for (const [m, cols, k, transA, transB] of gemms) {
      const [a, b, c] = [random(m * k, code), random(k * cols, code), random(m * cols, code)];
      const [lda, ldb] = [transA ? m : k, transB ? k : cols];
      add(
        `gemm ${name} ${transA ? "AᵀB" : transB ? "ABᵀ" : "AB"}`,
        `${m} x ${cols} x ${k}`,
        2 * m * cols * k,
        peak,
        "GFLOP/s",
        () => n.gemm(c, a, b, m, cols, k, lda, ldb, cols, transA, transB, 0, code, code, code),
      );
    }
    const [groups, perGroup, k, cols] = [16, 1024, 256, 256];
    const offsets = n.alloc((groups + 1) * 4);
    kept.push(offsets);
    new Int32Array(offsets.buffer, 0, groups + 1).forEach((_, i, values) => {
      values[i] = i * perGroup;
    });
    const [a, b, c] = [
      random(groups * perGroup * k, code),
      random(groups * cols * k, code),
      random(groups * perGroup * cols, code),
    ];
    add(
      `grouped gemm ${name}`,
      `${groups} x ${perGroup} x ${cols} x ${k}`,
      2 * groups * perGroup * cols * k,
      peak,
      "GFLOP/s",
      () => n.groupedGemm(c, a, b, offsets.address, groups, cols, k, 1, 0, code, code, code),
    );
    const [rowsOut, inner] = [8192, 4096];
    const [x, w, y] = [random(inner, code), random(rowsOut * inner, code), random(rowsOut, code)];
    add(`decode ${name}, 1 row`, `${rowsOut} x ${inner}`, rowsOut * inner * bytes, floors.readBytes, "GB/s", () =>
      n.linearDecode(y, x, w, 1, rowsOut, inner, code, code, code),
    );
    const [length, heads, dn, dr, dv] = [1024, 8, 64, 32, 64];
    const bounds = n.alloc(8);
    kept.push(bounds);
    new Int32Array(bounds.buffer, 0, 2)[1] = length;
    const [q, kv, kRope, o] = [
      random(length * heads * (dn + dr), code),
      random(length * heads * (dn + dv), code),
      random(length * dr, code),
      random(length * heads * dv, code),
    ];
    const [lse, dq, dkv, dkRope] = [
      random(heads * length, 0),
      random(length * heads * (dn + dr), code),
      random(length * heads * (dn + dv), code),
      random(length * dr, code),
    ];
    const scale = 1 / Math.sqrt(dn + dr);
    const causal = (length * (length + 1)) / 2;
    const flops = 2 * heads * causal * (dn + dr + dv);
    const size = `${length} tokens, ${heads} heads of ${dn}+${dr}/${dv}`;
    add(`attention ${name} forward`, size, flops, peak, "GFLOP/s", () =>
      n.attentionForward(o, lse, q, kv, kRope, bounds.address, 1, length, heads, heads, dn, dr, dv, dr, scale, code),
    );
    // Five products of the forward's two sizes: scores and dP again, then dQ, dK, dV.
    const backward = 2 * heads * causal * (3 * (dn + dr) + 2 * dv);
    add(`attention ${name} backward`, size, backward, peak, "GFLOP/s", () =>
      n.attentionBackward(
        dq,
        dkv,
        dkRope,
        o,
        q,
        kv,
        kRope,
        o,
        lse,
        bounds.address,
        1,
        length,
        heads,
        heads,
        dn,
        dr,
        dv,
        dr,
        dr,
        scale,
        code,
      ),
    );
  }
  const count = 1 << 24;
  const [p, m1, v1, g] = [random(count, 0), random(count, 0), random(count, 0), random(count, 0)];
  n.fill(v1, 1, count);
  add("adamw f32", `${count} values`, count * 28, floors.triadBytes, "GB/s", () =>
    n.adamw(p, null, m1, v1, g, count, 1, 1e-4, 0.9, 0.95, 1e-8, 0.1, 0.1, 0.05, 0),
  );
  return { floors, rows };
}
