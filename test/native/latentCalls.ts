/** Calls of the kernels that decode in the latent space of MLA, for kernelCalls.ts. */
import { ignored, input, output, type Recorder, valuesOf } from "./calls.js";
import { given, made, storages } from "./operands.js";

export function latents(r: Recorder): void {
  for (const type of storages)
    for (const [rows, heads, dn, dr, c, dv] of [
      [1, 1, 1, 2, 2, 1],
      [5, 3, 7, 6, 34, 9],
      [3, 2, 16, 8, 160, 16],
    ] as const) {
      const at = input(
        Array.from({ length: rows }, (_, i) => (i * 5) % 7),
        "i32",
      );
      const slots = input(
        Array.from({ length: rows }, (_, i) => rows - 1 - i),
        "i32",
      );
      const [cos, sin] = [given((7 * dr) / 2), given((7 * dr) / 2)];
      const [latent, key, z] = [given(rows * c, type), given(rows * dr, type), given(rows * (c + dr), type)];
      for (const cacheType of [0, 1, 2]) {
        const bytes = cacheType === 2 ? c + 4 * Math.ceil(c / 128) + 2 * dr : 0;
        // FP8 bytes are compared as they are; the rounding of a norm may fall on either side, so only rows as given are.
        const cache =
          cacheType === 2
            ? output(new Uint8Array(rows * bytes), "u8", 0, 0)
            : made(rows * (c + dr), cacheType === 1 ? 1 : 0);
        r.record("writeLatents", cache, latent, key, slots, rows, c, dr, type, cacheType);
        const entries = input(valuesOf(cache), cacheType === 2 ? "u8" : cacheType === 1 ? "bf16" : "f32");
        const back = [made(rows * c, type), made(rows * dr, type)] as const;
        r.record("readLatents", ...back, entries, slots, rows, c, dr, type, cacheType);
        const other =
          cacheType === 2
            ? ignored(new Uint8Array(rows * bytes), "u8")
            : made(rows * (c + dr), cacheType === 1 ? 1 : 0, 0.02);
        r.record("appendLatents", other, z, given(c), cos, sin, at, slots, rows, c, dr, 1e-5, type, cacheType);
      }
      const q = given(rows * heads * (dn + dr), type);
      const wide = given(rows * heads * c, type);
      const near = type ? 0.05 : 1e-4;
      for (const stored of storages) {
        const w = given(heads * (dn + dv) * c, stored);
        const shape = [rows, heads, dn, dr, c, dv, c, type, stored];
        r.record("absorbQueries", made(rows * heads * (c + dr), type, near), q, w, null, cos, sin, at, ...shape);
        r.record(
          "expandValues",
          made(rows * heads * dv, type, near),
          wide,
          w,
          null,
          rows,
          heads,
          dn,
          c,
          dv,
          c,
          type,
          stored,
        );
      }
      for (const format of [0, 1, 2]) {
        const row = format === 2 ? Math.ceil(c / 32) * 16 : c;
        const q8 = output(new Uint8Array(heads * (dn + dv) * row), "u8", 0, 0);
        const scales = made(heads * (dn + dv) * Math.ceil(c / 64));
        r.record("quantizeRows", q8, scales, given(heads * (dn + dv) * c), heads * (dn + dv), c, 64, format, 0);
        const [w, s] = [input(valuesOf(q8), "u8"), input(valuesOf(scales))];
        const shape = [rows, heads, dn, dr, c, dv, 64, type, format];
        r.record("absorbQueries", made(rows * heads * (c + dr), type, near), q, w, s, cos, sin, at, ...shape);
        r.record(
          "expandValues",
          made(rows * heads * dv, type, near),
          wide,
          w,
          s,
          rows,
          heads,
          dn,
          c,
          dv,
          64,
          type,
          format,
        );
      }
    }
}
