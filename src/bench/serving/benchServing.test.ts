import { expect, test } from "vitest";
import { benchServing, fittingLengths, positionsFor, usualLengths } from "./benchServing.js";
import type { RequestRecord } from "./completionRequest.js";
import { LoadClient } from "./loadClient.js";
import { stallsMs } from "./longPrompt.js";
import { wordTokenizer } from "./servedCheckpoint.js";
import { allWhole } from "./serving.js";

test("lengths are the usual where there is room, less where there is not, and refused where asked for in vain", () => {
  expect(fittingLengths({}, null)).toEqual(usualLengths);
  expect(fittingLengths({}, positionsFor(usualLengths))).toEqual(usualLengths);
  expect(positionsFor(usualLengths)).toBe(16_385);
  const span = (tokens: number) => ({ least: tokens, most: tokens });
  expect(fittingLengths({}, 256)).toEqual({
    promptTokens: span(128),
    outputTokens: span(64),
    prefixTokens: 236,
    longTokens: 255,
  });
  expect(fittingLengths({ longTokens: 200 }, 256).longTokens).toBe(200);
  expect(() => fittingLengths({ longTokens: 256 }, 256)).toThrow("long prompt needs 257 positions, the model has 256");
  expect(() => fittingLengths({ prefixTokens: 240 }, 256)).toThrow("shared prefix needs 260 positions");
  expect(fittingLengths({ promptTokens: span(200) }, 256).outputTokens).toEqual(span(56));
  expect(fittingLengths({ outputTokens: span(200) }, 256).promptTokens).toEqual(span(56));
  expect(() => fittingLengths({ promptTokens: span(200), outputTokens: { least: 1, most: 57 } }, 256)).toThrow(
    "prompt and output needs 257 positions, the model has 256",
  );
  expect(() => fittingLengths({}, 40)).toThrow("the model has 40 positions, 48 are needed");
});

const record = (change: Partial<RequestRecord>): RequestRecord => ({
  ...{ promptTokens: 1, outputTokens: 1, cachedTokens: 0, status: 200, failure: null },
  ...{ startMs: 0, pieceMs: [], endMs: 0 },
  ...change,
});

test("a stream that stands still to the end of the window counts with the gap that is open", () => {
  const window = [100, 200] as const;
  const running = record({ pieceMs: [50, 90, 120, 130, 190, 230], endMs: 240 });
  expect(stallsMs(running, window)).toEqual([30, 10, 60, 10]);
  expect(stallsMs(record({ pieceMs: [50, 90], endMs: 200, failure: "stopped" }), window)).toEqual([110]);
  // Over before the window, and not begun.
  expect(stallsMs(record({ pieceMs: [50, 90], endMs: 95 }), window)).toEqual([]);
  expect(stallsMs(record({ pieceMs: [210], endMs: 250 }), window)).toEqual([]);
});

test("requests that fail where none may are told by how they did", () => {
  const records = [
    record({}),
    record({ status: 429, failure: "refused" }),
    record({ status: 0, failure: "ECONNRESET" }),
  ];
  expect(() => allWhole(records, "single stream")).toThrow(
    "bench serve: single stream: 2 of 3 requests failed: 429, ECONNRESET",
  );
  expect(allWhole([record({})], "x")).toHaveLength(1);
});

test("more requests at once than the server takes are refused before anything is sent", async () => {
  const client = new LoadClient({ url: "http://127.0.0.1:9", model: null, apiKey: null });
  const facts = { model: "m", maxPositions: null, maxInFlight: 4, weights: null, ids: { least: 1, most: 9 } };
  const { promptTokens, outputTokens } = usualLengths;
  const serving = { label: "m", client, facts, threads: 1, repeats: 1, promptTokens, outputTokens, nextSeed: () => 1 };
  const options = {
    concurrency: [1],
    rate: null,
    requests: null,
    sharedPrefix: null,
    lengths: usualLengths,
    model: null,
    peer: null,
  };
  // Four streams and the long prompt.
  await expect(benchServing({ ...serving, say() {} }, { ...options, scenarios: ["long"] })).rejects.toThrow(
    "bench serve: 5 requests at once; the server takes 4 (--max-in-flight)",
  );
});

test("every id of the vocabulary made for serving shows as text but the ends of texts and parts of characters", () => {
  const tokenizer = wordTokenizer(5000);
  expect(tokenizer.vocabSize).toBe(5000);
  const texts = Array.from({ length: 5000 }, (_, id) => tokenizer.decode([id], { skipSpecialTokens: true }));
  // 3 control tokens; the upper 128 bytes are no characters alone.
  expect(texts.filter((text) => text === "")).toHaveLength(3);
  expect(texts.filter((text) => text === "\ufffd")).toHaveLength(128);
  // Two letters are 62 x 62 = 3844 words; the rest has three.
  expect(texts.filter((text) => /^[a-zA-Z0-9]{2}$/.test(text))).toHaveLength(3844);
  expect(texts.filter((text) => /^[a-zA-Z0-9]{3}$/.test(text))).toHaveLength(5000 - 259 - 3844);
  expect(wordTokenizer(259).vocabSize).toBe(259);
});
