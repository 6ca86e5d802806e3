import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { EvalRequest, EvalResponse } from "./evalModel.js";
import { RequestCache, requestKey } from "./requestCache.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-cache-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const response: EvalResponse = { kind: "rolling", logprob: -1.5, tokens: 3 };

test("an answer is on disk at once, and found again after a crash in the middle of the next", () => {
  const path = join(folder, "below", "cache.jsonl");
  const first = new RequestCache(path);
  first.add("a", response);
  expect(readFileSync(path, "utf8").split("\n").length).toBe(2);
  appendFileSync(path, '{"key":"b","respo'); // torn
  using second = new RequestCache(path);
  expect([second.size, second.find("a"), second.find("b")]).toEqual([1, response, null]);
  second.add("b", response);
  using third = new RequestCache(path);
  expect(third.size).toBe(2);
  first[Symbol.dispose]();
});

test("a file that is no cache is refused and left alone", () => {
  const path = join(folder, "notes.txt");
  writeFileSync(path, "dear diary\nnothing");
  expect(() => new RequestCache(path)).toThrow("notes.txt:1: not an answer of an evaluation");
  expect(readFileSync(path, "utf8")).toBe("dear diary\nnothing");
});

test("a key tells apart models, arguments, seeds and repeats", () => {
  const prompt = { kind: "text", text: "a", suffix: null } as const;
  const settings = { until: [], maxGenToks: 5, temperature: 1, topP: 1, topK: 0 };
  const request: EvalRequest = { kind: "generate", prompt, settings, seed: 1, repeat: 0 };
  const keys = [
    requestKey("m", request),
    requestKey("n", request),
    requestKey("m", { ...request, seed: 2 }),
    requestKey("m", { ...request, repeat: 1 }),
    requestKey("m", { ...request, settings: { ...settings, maxGenToks: 6 } }),
    requestKey("m", { kind: "loglikelihood", prompt, continuation: "b" }),
    requestKey("m", { kind: "rolling", text: "a" }),
  ];
  expect(new Set(keys).size).toBe(keys.length);
  expect(requestKey("m", { ...request })).toBe(keys[0]);
});
