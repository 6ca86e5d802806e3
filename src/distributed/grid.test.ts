import { expect, test } from "vitest";
import { createGrid, expertRange } from "./grid.js";
import { singleCommunicator } from "./single.js";

test("one process holds everything", async () => {
  const grid = await createGrid(singleCommunicator());
  expect([grid.dense.size, grid.experts.size, grid.expertGroup.size]).toEqual([1, 1, 1]);
  expect(expertRange(grid, 64)).toEqual({ start: 0, end: 64 });
});

test("experts that cannot be dealt out are refused", async () => {
  for (const expertParallel of [0, 2, 1.5]) {
    await expect(createGrid(singleCommunicator(), expertParallel)).rejects.toThrow(
      `expertParallel is ${expertParallel}`,
    );
  }
  const grid = await createGrid(singleCommunicator());
  expect(() => expertRange(grid, 0)).toThrow(RangeError);
  const three = { ...grid, expertGroup: Object.assign(singleCommunicator(), { size: 3 }) };
  expect(() => expertRange(three, 64)).toThrow("64 experts cannot be dealt out evenly over 3 processes");
});
