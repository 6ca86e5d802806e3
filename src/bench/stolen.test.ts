import { expect, test } from "vitest";
import { stolenSeconds, watchStolen } from "./stolen.js";

test("the eighth time of all processors is what a hypervisor gave to others", () => {
  const stat = "cpu  3867925 11591 401438 2343409 12334 0 3106 33600 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
  expect(stolenSeconds(stat)).toBe(336);
  expect(stolenSeconds("cpu  1 2 3 4\n")).toBeNull();
  expect(stolenSeconds(null)).toBeNull();
});

test("a share lies between none and all", () => {
  const share = watchStolen()();
  if (process.platform !== "linux") return expect(share).toBeNull();
  expect(share).toBeGreaterThanOrEqual(0);
  expect(share).toBeLessThanOrEqual(1);
});
