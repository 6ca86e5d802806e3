import { expect, test } from "vitest";
import { arrivalsMs, checkPlan, type LoadPlan, plannedRequest } from "./loadPlan.js";

const plan: LoadPlan = {
  arrival: { kind: "closed", clients: 1 },
  requests: 100,
  promptTokens: { least: 20, most: 30 },
  outputTokens: { least: 1, most: 4 },
  sharedPrefix: null,
  ids: { least: 5, most: 9 },
  seed: 3,
};
const all = (of: LoadPlan) => Array.from({ length: 400 }, (_, i) => plannedRequest(of, i));

test("arrivals of a Poisson process come at their rate, with a spread as large as the mean, and a seed repeats them", () => {
  const times = arrivalsMs(50, 4000, 7);
  expect(arrivalsMs(50, 4000, 7)).toEqual(times);
  expect(arrivalsMs(50, 10, 8)).not.toEqual(times.subarray(0, 10));
  expect(arrivalsMs(50, 10, 7)).toEqual(times.subarray(0, 10));
  const gaps = Array.from(times, (at, i) => at - (times[i - 1] ?? 0));
  expect(Math.min(...gaps)).toBeGreaterThan(0);
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length);
  // 1000 / 50 ms; the mean of 4000 exponential gaps strays by 1.6 % (one standard deviation), their deviation by about 2 %.
  expect(Math.abs(mean - 20)).toBeLessThan(1);
  expect(Math.abs(deviation - 20)).toBeLessThan(2);
  // An exponential gap exceeds twice the mean with probability exp(-2) = 0.135; evenly spread ones never do.
  expect(gaps.filter((gap) => gap > 40).length / gaps.length).toBeCloseTo(0.135, 1);
});

test("lengths and ids fill their spans, and a request is the same whatever came before it", () => {
  const requests = all(plan);
  expect(new Set(requests.map(({ prompt }) => prompt.length)).size).toBe(11);
  expect(new Set(requests.map(({ outputTokens }) => outputTokens))).toEqual(new Set([1, 2, 3, 4]));
  expect(new Set(requests.flatMap(({ prompt }) => prompt))).toEqual(new Set([5, 6, 7, 8, 9]));
  expect(plannedRequest(plan, 399)).toEqual(requests[399]);
  expect(plannedRequest({ ...plan, seed: 4 }, 0)).not.toEqual(requests[0]);
  // 5^20 prompts of the least length: two that begin alike by chance would be a flaw of the generator.
  expect(new Set(requests.map(({ prompt }) => prompt.slice(0, 20).join())).size).toBe(400);
});

test("a share of the prompts begins with the shared prefix, which is part of their length", () => {
  const requests = all({ ...plan, sharedPrefix: { tokens: 16, share: 0.25 } });
  const heads = requests.map(({ prompt }) => prompt.slice(0, 16).join());
  const counts = new Map<string, number>();
  for (const head of heads) counts.set(head, (counts.get(head) ?? 0) + 1);
  const most = Math.max(...counts.values());
  // 100 of 400 are expected, with a standard deviation of 8.7.
  expect(Math.abs(most - 100)).toBeLessThan(35);
  expect(counts.size).toBe(400 - most + 1);
  expect(Math.max(...requests.map(({ prompt }) => prompt.length))).toBe(30);
  const whole = all({ ...plan, sharedPrefix: { tokens: 16, share: 1 } });
  expect(new Set(whole.map(({ prompt }) => prompt.slice(0, 16).join())).size).toBe(1);
  expect(new Set(whole.map(({ prompt }) => prompt.slice(0, 20).join())).size).toBeGreaterThan(150);
});

test("plans that do not fit together are refused by name", () => {
  const wrong: readonly (readonly [Partial<LoadPlan>, string])[] = [
    [{ arrival: { kind: "closed", clients: 0 } }, "clients: a whole number from 1 to 65536, got 0"],
    [{ arrival: { kind: "open", requestsPerSecond: 0 } }, "rate: above 0 and at most 1000000 requests/s, got 0"],
    [{ arrival: { kind: "open", requestsPerSecond: 1 }, requests: null }, "an open loop needs a number of requests"],
    [{ requests: 1.5 }, "requests: a whole number from 1 to 1048576, got 1.5"],
    [{ outputTokens: { least: 4, most: 3 } }, "outputTokens: whole numbers from 1, the least first, got 4 to 3"],
    [{ ids: { least: -1, most: 3 } }, "ids: whole numbers from 0, the least first, got -1 to 3"],
    [{ sharedPrefix: { tokens: 20, share: 1 } }, "prefix: from 1 to 19 tokens, fewer than the shortest prompt has"],
    [{ sharedPrefix: { tokens: 2, share: 2 } }, "share of prompts with the prefix: 0 to 1, got 2"],
    [{ seed: -1 }, "seed: a whole number from 0 to 4294967295, got -1"],
  ];
  for (const [change, message] of wrong) expect(() => checkPlan({ ...plan, ...change })).toThrow(message);
  expect(() => checkPlan(plan)).not.toThrow();
});
