import { describe, expect, test } from "vitest";
import { type DtypeCode, native } from "../../src/tensor/native.js";
import { bf16Bits, bf16Value, expectClose, f32, noise, onEveryIsa, stored } from "./memory.js";
import { expectSameBits } from "./oracle.js";

const types: readonly DtypeCode[] = [0, 1];
const [beta1, beta2, eps, wd] = [0.9, 0.95, 1e-8, 0.1];

test("the first step moves by the learning rate against the sign of the gradient, and decays the weight", () => {
  onEveryIsa((isa) => {
    const p = f32([1, 1, -2]);
    const [m, v] = [f32(3), f32(3)];
    const grad = f32([0.5, -3, 0]);
    const step = (): void =>
      native().adamw(
        p.address,
        null,
        m.address,
        v.address,
        grad.address,
        3,
        1,
        0.01,
        beta1,
        beta2,
        eps,
        wd,
        0.1,
        0.05,
        0,
      );
    step();
    expectClose(p.values, [1 - 0.001 - 0.01, 1 - 0.001 + 0.01, -2 + 0.002], 1e-7, 0, isa);
    expectClose(m.values, [0.05, -0.3, 0], 0, 3e-7, isa);
    expectClose(v.values, [0.0125, 0.45, 0], 0, 2e-6, isa);
  });
});

describe.each(types)("adamw with moments of type %i", (type) => {
  test.each([1, 7, 33, 1000])("ten steps equal the naive ones, %i values", (n) => {
    onEveryIsa((isa) => {
      const p = f32(noise(20, n));
      const working = stored(n, 1);
      const [m, v] = [stored(n, type), stored(n, type)];
      // The twin keeps its moments in the storage type too, so that rounding is part of what is compared.
      const keep = type === 0 ? Math.fround : (x: number) => bf16Value(bf16Bits(Math.fround(x)));
      const expected = Float64Array.from(p.values);
      const [m1, v1] = [new Float64Array(n), new Float64Array(n)];
      for (let t = 1; t <= 10; t++) {
        const grad = noise(20 + t, n, 3);
        const [bias1, bias2] = [1 - beta1 ** t, 1 - beta2 ** t];
        native().adamw(
          p.address,
          working.address,
          m.address,
          v.address,
          f32(grad).address,
          n,
          0.25,
          0.003,
          beta1,
          beta2,
          eps,
          wd,
          bias1,
          bias2,
          type,
        );
        for (let i = 0; i < n; i++) {
          const g = grad[i]! * 0.25;
          const first = beta1 * m1[i]! + (1 - beta1) * g;
          const second = beta2 * v1[i]! + (1 - beta2) * g * g;
          expected[i] = expected[i]! * (1 - 0.003 * wd) - (0.003 * (first / bias1)) / (Math.sqrt(second / bias2) + eps);
          m1[i] = keep(first);
          v1[i] = keep(second);
        }
      }
      // With bf16 moments f32 and double may round a moment to different neighbours: 2^-8 of a step of 0.003.
      expectClose(p.values, expected, type === 0 ? 1e-6 : 0.003 * 10 * 2 ** -7, 0, `p ${isa}`);
      expectClose(m.read(), m1, type === 0 ? 1e-6 : 1e-2, 0, `m ${isa}`);
      expectClose(v.read(), v1, 0, type === 0 ? 1e-5 : 2 ** -6, `v ${isa}`);
      expect([...working.read()]).toEqual(Array.from(p.values, (x) => bf16Value(bf16Bits(x))));
    });
  });

  test("threads do not change a bit, and nothing past the end is touched", () => {
    const n = 50_001;
    const start = noise(21, n + 3);
    onEveryIsa(() => {
      expectSameBits(() => {
        const p = f32(start);
        const working = stored(n + 3, 1);
        const [m, v] = [stored(noise(22, n + 3), type), stored(noise(23, n + 3).map(Math.abs), type)];
        const grad = f32(noise(24, n));
        native().adamw(
          p.address,
          working.address,
          m.address,
          v.address,
          grad.address,
          n,
          1,
          0.01,
          beta1,
          beta2,
          eps,
          wd,
          0.5,
          0.6,
          type,
        );
        expect([...p.values.subarray(n)]).toEqual([...start.subarray(n)]);
        expect([...working.read().subarray(n)]).toEqual([0, 0, 0]);
        return [p.values, working.read(), m.read(), v.read()];
      });
    });
  });
});
