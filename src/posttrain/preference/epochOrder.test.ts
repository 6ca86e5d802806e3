import { expect, test } from "vitest";
import { EpochOrder, hashSequences } from "./epochOrder.js";

const options = { size: 5, perStep: 3, epochs: 2, seed: 4, dataKey: "k" };

function all(order: EpochOrder): number[][] {
  const steps: number[][] = [];
  for (let step = order.next(); step.length > 0; step = order.next()) steps.push(step);
  return steps;
}

test("every epoch takes each record once, in an order of its own, and steps go on over its end", () => {
  const steps = all(new EpochOrder(options));
  expect(steps.map(({ length }) => length)).toEqual([3, 3, 3, 1]);
  const taken = steps.flat();
  expect(taken.slice(0, 5).sort()).toEqual([0, 1, 2, 3, 4]);
  expect(taken.slice(5).sort()).toEqual([0, 1, 2, 3, 4]);
  expect(taken.slice(0, 5)).not.toEqual(taken.slice(5));
});

test("a state goes on as if nothing had happened", () => {
  const straight = all(new EpochOrder(options));
  const first = new EpochOrder(options);
  expect(first.next()).toEqual(straight[0]);
  const resumed = new EpochOrder(options);
  resumed.restore(JSON.parse(JSON.stringify(first.state())));
  expect(all(resumed)).toEqual(straight.slice(1));
});

test("other records, another seed and a count that cannot be are refused by name", () => {
  const state = new EpochOrder(options).state();
  const order = new EpochOrder({ ...options, dataKey: "other" });
  expect(() => order.restore(state)).toThrow("the records are not those that the run began with");
  expect(() => new EpochOrder({ ...options, seed: 5 }).restore(state)).toThrow(
    "seed of the checkpoint is 4, expected 5",
  );
  expect(() => new EpochOrder(options).restore({ ...state, taken: 11 })).toThrow("11 were taken, expected 0 to 10");
  expect(() => new EpochOrder({ ...options, size: 0 })).toThrow("records to learn from must be 1 or more, got 0");
});

test("the hash tells sequences, masks and further values apart", () => {
  const sequence = { ids: Int32Array.of(1, 2), isTarget: Uint8Array.of(0, 1) };
  const hashes = [
    hashSequences([sequence]),
    hashSequences([sequence, sequence]),
    hashSequences([{ ...sequence, ids: Int32Array.of(1, 3) }]),
    hashSequences([{ ...sequence, isTarget: Uint8Array.of(0, 0) }]),
    hashSequences([sequence], [0.5]),
  ];
  expect(new Set(hashes).size).toBe(5);
  expect(hashSequences([{ ...sequence }])).toBe(hashes[0]);
});
