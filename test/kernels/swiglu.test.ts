import { describe, expect, test } from "vitest";
import { type DtypeCode, native } from "../../src/tensor/native.js";
import { expectClose, f32, noise, onEveryIsa, stored } from "./memory.js";
import { centralDifferences, dot, expectSameBits } from "./oracle.js";

const types: readonly DtypeCode[] = [0, 1];
const shapes = [
  [1, 1],
  [3, 7],
  [5, 33],
  [2, 160],
] as const;

function naive(gateUp: ArrayLike<number>, rows: number, width: number): Float64Array {
  return Float64Array.from({ length: rows * width }, (_, n) => {
    const at = Math.floor(n / width) * 2 * width + (n % width);
    const gate = gateUp[at]!;
    return (gate / (1 + Math.exp(-gate))) * gateUp[at + width]!;
  });
}

test("swigluForward gives the worked examples", () => {
  const gateUp = f32([1, -1, 2, 3]);
  const silu = f32([1, -1, 0.5, 2, 1, 1, 1, 1]);
  onEveryIsa((isa) => {
    const y = f32(4);
    native().swigluForward(y.address, gateUp.address, 1, 2, 0);
    expectClose(y.values.subarray(0, 2), [1.4621171573, -0.8068242641], 0, 2e-7, isa);
    native().swigluForward(y.address, silu.address, 1, 4, 0);
    expectClose(y.values, [0.7310585786, -0.2689414214, 0.3112296656, 1.761594156], 0, 2e-7, isa);
  });
});

test("large gates saturate to the gate itself and to zero, not to NaN", () => {
  const gateUp = f32([100, -100, 1e30, -1e30, 1, 1, 1, 1]);
  onEveryIsa((isa) => {
    const y = f32(4);
    const d = f32(8);
    native().swigluForward(y.address, gateUp.address, 1, 4, 0);
    expectClose(y.values, [100, 0, 1e30, 0], 1e-8, 1e-6, isa);
    native().swigluBackward(d.address, f32([1, 1, 1, 1]).address, gateUp.address, 1, 4, 0);
    expectClose(d.values.subarray(0, 4), [1, 0, 1, 0], 1e-6, 1e-6, isa);
  });
});

describe.each(types)("swiglu with storage type %i", (type) => {
  const rounding = type === 0 ? 1e-6 : 2 ** -8;

  test.each(shapes)("equals the naive form and its central differences, %i rows of %i", (rows, width) => {
    const gateUp = stored(noise(11, rows * width * 2, 4), type);
    const dy = stored(noise(12, rows * width), type);
    const y = naive(gateUp.rounded, rows, width);
    const gradient = new Float64Array(rows * width * 2);
    for (let r = 0; r < rows; r++) {
      const row = gateUp.rounded.subarray(r * 2 * width, (r + 1) * 2 * width);
      const dyRow = dy.rounded.subarray(r * width, (r + 1) * width);
      gradient.set(
        centralDifferences((v) => dot(naive(v, 1, width), dyRow), row),
        r * 2 * width,
      );
    }
    onEveryIsa((isa) => {
      const out = stored(rows * width, type);
      const d = stored(rows * width * 2, type);
      native().swigluForward(out.address, gateUp.address, rows, width, type);
      native().swigluBackward(d.address, dy.address, gateUp.address, rows, width, type);
      expectClose(out.read(), y, 1e-6, rounding, `y ${isa}`);
      expectClose(d.read(), gradient, 2e-6, rounding, `dgate_up ${isa}`);
    });
  });

  test("threads and other rows do not change a bit", () => {
    const [rows, width] = [211, 101];
    const gateUp = stored(noise(13, rows * width * 2, 4), type);
    const dy = stored(noise(14, rows * width), type);
    const bytes = type === 0 ? 4 : 2;
    onEveryIsa(() => {
      const y = stored(rows * width, type);
      const d = stored(rows * width * 2, type);
      expectSameBits(() => {
        native().swigluForward(y.address, gateUp.address, rows, width, type);
        native().swigluBackward(d.address, dy.address, gateUp.address, rows, width, type);
        return [y.read(), d.read()];
      });
      const alone = stored(width, type);
      native().swigluForward(alone.address, gateUp.address + 170 * 2 * width * bytes, 1, width, type);
      expect([...alone.read()]).toEqual([...y.read().subarray(170 * width, 171 * width)]);
    });
  });

  test("no rows and no columns are fine", () => {
    native().swigluForward(null, null, 0, 5, type);
    native().swigluBackward(null, null, null, 5, 0, type);
  });
});
