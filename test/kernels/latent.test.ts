/** What decoding computes around its attention: entries of the latent cache, and the two products with kv_b_proj. */
import { describe, expect, test } from "vitest";
import { type DtypeCode, native } from "../../src/tensor/native.js";
import { entryBytes, readEntries } from "./latentEntries.js";
import { bf16Value, expectClose, f32, i32, noise, onEveryIsa, stored } from "./memory.js";
import { expectSameBits } from "./oracle.js";

const types: readonly DtypeCode[] = [0, 1];
const sizes = [
  { rows: 1, c: 1, dr: 2 },
  { rows: 3, c: 33, dr: 6 },
  { rows: 70, c: 200, dr: 16 },
  { rows: 2, c: 512, dr: 64 },
] as const;

interface Cache {
  readonly address: number;
  read(): Float32Array;
}

/** A cache of `count` entries; read() gives c + dr numbers of each. */
function cacheOf(count: number, c: number, dr: number, type: DtypeCode): Cache {
  if (type !== 2) return stored(count * (c + dr), type);
  const length = count * entryBytes(c, dr);
  const block = native().alloc(length + 64);
  return { address: block.address, read: () => readEntries(new Uint8Array(block.buffer, 0, length), c, dr) };
}

/** Entry slots[r] of row r, in [0, 2 * rows). */
const scattered = (rows: number): number[] => Array.from({ length: rows }, (_, r) => (r * 2 + 1) % (2 * rows));

/** Half a step of E4M3 at a value of a group whose largest is `most`, and the rounding of scale and quotient. */
const fp8Error = (value: number, most: number): number =>
  Math.max(Math.abs(value) / 16, most * 2 ** -18) * 1.001 + most * 1e-6;

function expectEntry(
  actual: Float32Array,
  latent: ArrayLike<number>,
  key: ArrayLike<number>,
  type: DtypeCode,
  near: number,
) {
  const c = latent.length;
  for (let i = 0; i < c; i++) {
    const group = Array.from(latent).slice(Math.floor(i / 128) * 128, Math.floor(i / 128) * 128 + 128);
    const most = Math.max(...group.map(Math.abs));
    const error = type === 2 ? fp8Error(latent[i]!, most) : 0;
    expect(Math.abs(actual[i]! - latent[i]!), `latent ${i}`).toBeLessThanOrEqual(
      error + near * (1 + Math.abs(latent[i]!)),
    );
  }
  expectClose(actual.subarray(c), key, near, type === 0 ? near : 2 ** -8, "key");
}

describe.each(types)("rows of type %i in a latent cache", (type) => {
  const near = type === 0 ? 2e-6 : 2 ** -8;

  test.each([0, 1, 2] as const)("writeLatents puts each row into its slot, entries of type %i", (cacheType) => {
    onEveryIsa(() => {
      for (const { rows, c, dr } of sizes) {
        const latent = stored(noise(c, rows * c, 3), type);
        const key = stored(noise(c + 1, rows * dr, 2), type);
        const slots = scattered(rows);
        const cache = cacheOf(2 * rows, c, dr, cacheType);
        native().writeLatents(
          cache.address,
          latent.address,
          key.address,
          i32(slots).address,
          rows,
          c,
          dr,
          type,
          cacheType,
        );
        const found = cache.read();
        slots.forEach((slot, r) => {
          const entry = found.subarray(slot * (c + dr), (slot + 1) * (c + dr));
          const [expected, rotated] = [
            latent.rounded.subarray(r * c, (r + 1) * c),
            key.rounded.subarray(r * dr, (r + 1) * dr),
          ];
          expectEntry(
            entry,
            expected,
            rotated,
            cacheType,
            cacheType === 0 || (type === 1 && cacheType === 1) ? 0 : 2 ** -8,
          );
        });
      }
    });
  });

  test.each([0, 1, 2] as const)(
    "appendLatents norms the latent and rotates the key, entries of type %i",
    (cacheType) => {
      onEveryIsa(() => {
        for (const { rows, c, dr } of sizes) {
          const z = stored(noise(c, rows * (c + dr), 2), type);
          const weight = f32(noise(9, c, 1));
          const angles = noise(8, 5 * (dr / 2), 3);
          const [cos, sin] = [f32(angles.map(Math.cos)), f32(angles.map(Math.sin))];
          const positions = Array.from({ length: rows }, (_, r) => (r * 3) % 5);
          const slots = scattered(rows);
          const cache = cacheOf(2 * rows, c, dr, cacheType);
          const [at, to] = [i32(positions).address, i32(slots).address];
          native().appendLatents(
            ...([cache.address, z.address, weight.address, cos.address, sin.address, at, to, rows, c, dr] as const),
            1e-5,
            type,
            cacheType,
          );
          const found = cache.read();
          slots.forEach((slot, r) => {
            const row = z.rounded.subarray(r * (c + dr), (r + 1) * (c + dr));
            const squares = row.subarray(0, c).reduce((sum, x) => sum + x * x, 0);
            const latent = Array.from(
              { length: c },
              (_, i) => (row[i]! / Math.sqrt(squares / c + 1e-5)) * weight.values[i]!,
            );
            const key = Array.from({ length: dr }, (_, i) => {
              const angle = positions[r]! * (dr / 2) + Math.floor(i / 2);
              const [a, b] = [row[c + i]!, row[c + (i ^ 1)]!];
              return a * cos.values[angle]! + (i % 2 ? b : -b) * sin.values[angle]!;
            });
            expectEntry(
              found.subarray(slot * (c + dr), (slot + 1) * (c + dr)),
              latent,
              key,
              cacheType,
              cacheType ? 2 ** -7 : near,
            );
          });
        }
      });
    },
  );
});

test("a scale in FP8 takes the group's largest value to 448; zeros have a scale of one", () => {
  onEveryIsa(() => {
    const scaled = native().alloc(entryBytes(130, 2) + 64);
    const latent = new Float32Array(130).fill(1.5, 0, 128);
    latent.set([-89.6, 7], 100);
    native().writeLatents(scaled.address, f32(latent).address, f32(2).address, i32([0]).address, 1, 130, 2, 0, 2);
    const found = new DataView(scaled.buffer);
    expect(found.getFloat32(130, true)).toBeCloseTo(0.2, 6);
    expect([found.getUint8(100), found.getUint8(101)]).toEqual([0xfe, 0x61]); // -448 and 7 / 0.2 = 35, as 36
    expect(found.getFloat32(134, true)).toBe(1);
    const bytes = native().alloc(entryBytes(4, 2) + 64);
    native().writeLatents(bytes.address, f32(4).address, f32([1, -2]).address, i32([0]).address, 1, 4, 2, 0, 2);
    const view = new DataView(bytes.buffer);
    expect([view.getUint32(0, true), view.getFloat32(4, true)]).toEqual([0, 1]);
    expect([bf16Value(view.getUint16(8, true)), bf16Value(view.getUint16(10, true))]).toEqual([1, -2]);
  });
});

interface Weights {
  readonly address: number;
  readonly scales: number | null;
  readonly group: number;
  readonly code: 0 | 1 | 2;
  /** [rows, columns] as numbers */
  readonly values: Float32Array;
}

const storages = ["f32", "bf16", "E4M3", "int8", "int4"] as const;

function weightsOf(storage: (typeof storages)[number], rows: number, columns: number): Weights {
  const source = noise(77, rows * columns, 1);
  if (storage === "f32" || storage === "bf16") {
    const w = stored(source, storage === "f32" ? 0 : 1);
    return { address: w.address, scales: null, group: columns, code: storage === "f32" ? 0 : 1, values: w.rounded };
  }
  const code = ({ E4M3: 0, int8: 1, int4: 2 } as const)[storage];
  const group = 64;
  const perRow = Math.ceil(columns / group);
  const q = native().alloc(rows * (code === 2 ? Math.ceil(columns / 32) * 16 : columns) + 64);
  const scales = f32(rows * perRow);
  native().quantizeRows(q.address, scales.address, f32(source).address, rows, columns, group, code, 0);
  // The kernels of quantized.test.ts: here the stored values are given.
  const values = f32(rows * columns);
  native().dequantizeRows(values.address, q.address, scales.address, rows, columns, group, code, 0);
  return { address: q.address, scales: scales.address, group, code, values: values.values };
}

describe.each(storages)("kv_b_proj in %s", (storage) => {
  test.each(types)("absorbQueries and expandValues equal naive products, activations of type %i", (type) => {
    onEveryIsa((isa) => {
      for (const [rows, heads, dn, dr, c, dv] of [
        [1, 1, 1, 2, 32, 1],
        [2, 3, 7, 4, 96, 5],
        [7, 2, 16, 8, 288, 33],
        [17, 3, 64, 16, 64, 64],
        [3, 2, 40, 8, 512, 16],
      ] as const) {
        const w = weightsOf(storage, heads * (dn + dv), c);
        const q = stored(noise(1, rows * heads * (dn + dr)), type);
        const angles = noise(3, 9 * (dr / 2), 3);
        const [cos, sin] = [f32(angles.map(Math.cos)), f32(angles.map(Math.sin))];
        const positions = Array.from({ length: rows }, (_, r) => (r * 4) % 9);
        const y = stored(rows * heads * (c + dr), type);
        const tables = [cos.address, sin.address, i32(positions).address] as const;
        expectSameBits(() => {
          native().absorbQueries(
            ...([y.address, q.address, w.address, w.scales, ...tables, rows, heads, dn, dr, c, dv, w.group] as const),
            type,
            w.code,
          );
          return [y.read()];
        });
        const expected = new Float64Array(rows * heads * (c + dr));
        for (let t = 0; t < rows * heads; t++) {
          const row = q.rounded.subarray(t * (dn + dr), (t + 1) * (dn + dr));
          const first = (t % heads) * (dn + dv);
          for (let i = 0; i < c; i++)
            for (let n = 0; n < dn; n++) expected[t * (c + dr) + i]! += row[n]! * w.values[(first + n) * c + i]!;
          for (let i = 0; i < dr; i++) {
            const angle = positions[Math.floor(t / heads)]! * (dr / 2) + Math.floor(i / 2);
            const [a, b] = [row[dn + i]!, row[dn + (i ^ 1)]!];
            expected[t * (c + dr) + c + i] = a * cos.values[angle]! + (i % 2 ? b : -b) * sin.values[angle]!;
          }
        }
        const near = 4e-7 * (dn + c);
        expectClose(y.read(), expected, near, type ? 2 ** -8 : 1e-6, `absorb ${isa} ${rows} ${c}`);

        const latent = stored(noise(2, rows * heads * c), type);
        const o = stored(rows * heads * dv, type);
        expectSameBits(() => {
          native().expandValues(
            ...([o.address, latent.address, w.address, w.scales, rows, heads, dn, c, dv, w.group] as const),
            type,
            w.code,
          );
          return [o.read()];
        });
        const values = new Float64Array(rows * heads * dv);
        for (let t = 0; t < rows * heads; t++)
          for (let j = 0; j < dv; j++)
            for (let i = 0; i < c; i++) {
              const at = ((t % heads) * (dn + dv) + dn + j) * c + i;
              values[t * dv + j]! += latent.rounded[t * c + i]! * w.values[at]!;
            }
        expectClose(o.read(), values, near, type ? 2 ** -8 : 1e-6, `expand ${isa} ${rows} ${c}`);

        // A row alone has the bits it has among others.
        const size = type ? 2 : 4;
        const [one, single] = [stored(heads * (c + dr), type), stored(heads * dv, type)];
        const last = rows - 1;
        native().absorbQueries(
          ...([
            one.address,
            q.address + last * heads * (dn + dr) * size,
            w.address,
            w.scales,
            cos.address,
            sin.address,
          ] as const),
          ...([i32([positions[last]!]).address, 1, heads, dn, dr, c, dv, w.group] as const),
          type,
          w.code,
        );
        expect(one.read()).toEqual(y.read().subarray(last * heads * (c + dr)));
        native().expandValues(
          ...([
            single.address,
            latent.address + last * heads * c * size,
            w.address,
            w.scales,
            1,
            heads,
            dn,
            c,
            dv,
          ] as const),
          w.group,
          type,
          w.code,
        );
        expect(single.read()).toEqual(o.read().subarray(last * heads * dv));
      }
    });
  });
});
