import { expect, test } from "vitest";
import { native } from "../tensor/native.js";
import { withNativeClock } from "./nativeClock.js";

function wait(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

test("kernels are counted and timed, what surrounds them is not", async () => {
  const bytes = 2 ** 26;
  const { address } = native().alloc(bytes);
  const begun = performance.now();
  const { value, time } = await withNativeClock(async () => {
    for (let call = 0; call < 5; call++) {
      native().fill(address, call, bytes / 4);
      wait(20);
    }
    return "done";
  });
  const seconds = (performance.now() - begun) / 1000;
  native().release(address, bytes);
  expect(value).toBe("done");
  expect(time.calls).toBe(5);
  // 320 MiB are written at less than 500 GB/s; 100 ms were JavaScript's.
  expect(time.seconds).toBeGreaterThan(6e-4);
  expect(time.seconds).toBeLessThan(seconds - 0.099);
});

test("the addon is as it was afterwards, after an error too", async () => {
  const before = { ...native() };
  await expect(
    withNativeClock(async () => {
      expect(native().fill).not.toBe(before.fill);
      throw new Error("stop");
    }),
  ).rejects.toThrow("stop");
  expect({ ...native() }).toEqual(before);
  expect(native().fill).toBe(before.fill);
});
