import { expect, test } from "vitest";
import type { RequestRecord } from "./completionRequest.js";
import { firstMs, gapsMs, outcomeOf, quantile, quantiles, summarize } from "./loadSummary.js";

const record = (change: Partial<RequestRecord>): RequestRecord => ({
  promptTokens: 10,
  outputTokens: 3,
  cachedTokens: 0,
  status: 200,
  failure: null,
  startMs: 0,
  pieceMs: [],
  endMs: 0,
  ...change,
});

test("quantiles lie between the two nearest values in proportion", () => {
  // Ranks of 0.5, 0.9 and 0.99 among five values: 2, 3.6 and 3.96.
  expect(quantiles([50, 10, 40, 20, 30])).toEqual({
    median: 30,
    p90: expect.closeTo(46, 9),
    p99: expect.closeTo(49.6, 9),
  });
  expect(quantiles([7])).toEqual({ median: 7, p90: 7, p99: 7 });
  expect(quantiles([100, 9])?.median).toBe(54.5);
  expect(quantiles([])).toBeNull();
  expect(quantile([1, 2, 3, 4], 0)).toBe(1);
  expect(quantile([1, 2, 3, 4], 1)).toBe(4);
});

test("a summary counts waiting times, rates and failures as worked out by hand", () => {
  const summary = summarize([
    // First after 100 ms, gaps of 20 and 30.
    record({ startMs: 1000, pieceMs: [1100, 1120, 1150], endMs: 1160 }),
    // First after 300 ms, a gap of 10: two pieces of three tokens.
    record({ startMs: 1500, pieceMs: [1800, 1810], endMs: 1900, promptTokens: 30 }),
    record({ startMs: 1200, status: 429, failure: "refused", endMs: 1201 }),
    record({ startMs: 1300, status: 429, failure: "refused", endMs: 1301 }),
    record({ startMs: 1400, pieceMs: [1500], failure: "cut short", endMs: 3000 }),
    record({ startMs: 1400, status: 0, failure: "ECONNREFUSED", endMs: 1401 }),
  ]);
  expect(summary).toMatchObject({ requests: 6, succeeded: 2, seconds: 2 });
  expect(summary.outcomes).toEqual({ "200": 2, "429": 2, "cut short": 1, ECONNREFUSED: 1 });
  expect(summary.firstMs?.median).toBe(200);
  expect(summary.gapMs?.median).toBe(20);
  expect(summary.gapMs?.p90).toBeCloseTo(28, 9);
  expect(summary.wholeMs?.median).toBe(280);
  expect(summary.outputTokensPerSecond).toBe(3);
  expect(summary.inputTokensPerSecond).toBe(20);
  expect(summary.requestsPerSecond).toBe(1);
  expect(() => summarize([])).toThrow("no requests were sent");
});

test("a load that was refused whole has no waiting times and no rate", () => {
  const summary = summarize([record({ status: 503, failure: "refused", endMs: 10 })]);
  expect(summary).toMatchObject({ succeeded: 0, firstMs: null, gapMs: null, outputTokensPerSecond: 0 });
});

test("gaps can be limited to a time of the clock, by when they end", () => {
  const { pieceMs } = record({ pieceMs: [0, 10, 30, 60, 100] });
  expect(gapsMs(record({ pieceMs }))).toEqual([10, 20, 30, 40]);
  expect(gapsMs(record({ pieceMs }), [30, 60])).toEqual([20, 30]);
  expect(firstMs(record({}))).toBeNull();
  expect(outcomeOf(record({ failure: "stopped" }))).toBe("stopped");
});
