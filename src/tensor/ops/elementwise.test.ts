import { expect, test } from "vitest";
import { Arena } from "../arena.js";
import { Tape } from "../tape.js";
import { Tensor } from "../tensor.js";
import { gatherRows } from "./elementwise.js";

const values = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

test.each(["float32", "bfloat16"] as const)(
  "gatherRows takes rows in the order asked for and gives each its gradient, %s",
  async (dtype) => {
    const arena = new Arena();
    using tape = new Tape(arena, { hasGrad: true });
    const x = Tensor.fromFloats(arena, [4, 3], values, dtype);
    const y = gatherRows(tape, x, [3, 0]);
    expect([...y.toFloats()]).toEqual([10, 11, 12, 1, 2, 3]);
    y.grad = Tensor.fromFloats(arena, [2, 3], [1, 2, 3, 4, 5, 6], dtype);
    await tape.backward();
    expect([...(x.grad?.toFloats() ?? [])]).toEqual([4, 5, 6, 0, 0, 0, 0, 0, 0, 1, 2, 3]);
    x.free();
  },
);

test("gatherRows adds to a gradient that is there", async () => {
  const arena = new Arena();
  using tape = new Tape(arena, { hasGrad: true });
  const x = Tensor.fromFloats(arena, [2, 2], [1, 2, 3, 4]);
  const once = gatherRows(tape, x, [1]);
  const again = gatherRows(tape, x, [0, 1]);
  once.grad = Tensor.fromFloats(arena, [1, 2], [10, 20]);
  again.grad = Tensor.fromFloats(arena, [2, 2], [1, 2, 3, 4]);
  await tape.backward();
  expect([...(x.grad?.floats() ?? [])]).toEqual([1, 2, 13, 24]);
  x.free();
});

test("gatherRows refuses a row that is asked for twice, whose gradients would need a sum", () => {
  const arena = new Arena();
  using tape = new Tape(arena, { hasGrad: true });
  const x = Tensor.fromFloats(arena, [2, 1], [1, 2]);
  expect(() => gatherRows(tape, x, [1, 1])).toThrow("row 1 twice");
  expect(() => gatherRows(tape, x, [2])).toThrow("not of the 2");
  x.free();
});
