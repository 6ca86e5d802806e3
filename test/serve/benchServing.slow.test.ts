/** The bench of the server, against a real server around a model whose pace is known. */
import pino from "pino";
import { afterEach, expect, test } from "vitest";
import type { BenchRow } from "../../src/bench/row.js";
import { benchServing, fittingLengths, type ServingOptions } from "../../src/bench/serving/benchServing.js";
import type { InProcess } from "../../src/bench/serving/inProcess.js";
import { LoadClient } from "../../src/bench/serving/loadClient.js";
import { askServer } from "../../src/bench/serving/serverFacts.js";
import { FathomServer } from "../../src/serve/server.js";
import { defaultSettings } from "../../src/serve/settings.js";
import { type Pace, PacedModel } from "./pacedModel.js";
import { anyModel } from "./testServer.js";

let server: FathomServer | null = null;
afterEach(async () => {
  await server?.drain();
  server = null;
});

const pace: Pace = { promptTokenMs: 0.5, tokenMs: 10, longTokens: 2000, besideTimes: 2, besideTokenMs: 60 };

async function bench(options: Partial<ServingOptions>, maxInFlight = 8): Promise<readonly BenchRow[]> {
  server = await FathomServer.start({
    settings: { ...defaultSettings, port: 0, reloadMs: 0, drainMs: 1000, maxInFlight },
    models: [{ id: "paced", path: anyModel }],
    open: async () => new PacedModel(pace, 4096),
    log: pino({ level: "silent" }),
    version: "0.0.0",
  });
  const { url } = server;
  const facts = await askServer({ url, apiKey: null });
  expect(facts).toMatchObject({ model: "paced", maxPositions: 4096, maxInFlight, weights: "bfloat16" });
  const client = new LoadClient({ url, model: facts.model, apiKey: null });
  let seed = 1;
  const lengths = fittingLengths(
    {
      promptTokens: { least: 100, most: 100 },
      outputTokens: { least: 11, most: 11 },
      prefixTokens: 400,
      longTokens: 2000,
    },
    facts.maxPositions,
  );
  const { promptTokens, outputTokens } = lengths;
  const { rows } = await benchServing(
    { label: "m", client, facts, threads: 2, repeats: 3, promptTokens, outputTokens, nextSeed: () => seed++, say() {} },
    {
      scenarios: [],
      lengths,
      model: null,
      peer: null,
      concurrency: [1, 3],
      rate: null,
      requests: null,
      sharedPrefix: null,
      ...options,
    },
  );
  await client.close();
  return rows;
}

function within(value: number | undefined, low: number, high: number): void {
  expect(value).toBeGreaterThan(low);
  expect(value).toBeLessThan(high);
}

/** What else the machine does can only make a measured time longer, and may pass: such a test is asked again. */
const timed = { retry: 3 };

test("a single stream is held against the same prompt and tokens in process", timed, async () => {
  const asked: { prompt: number; tokens: number }[] = [];
  const model: InProcess = {
    run: async (prompt, tokens) => {
      asked.push({ prompt: prompt.length, tokens });
      return { firstSeconds: 0.04, nextSeconds: 0.008 };
    },
    free() {},
  };
  const lines: string[] = [];
  const peer = {
    name: "a peer",
    run: async (line: string) => {
      lines.push(line);
      return 0.2;
    },
    close() {},
  };
  const [prefill, decode, ...rest] = await bench({ scenarios: ["single"], model, peer });
  expect(rest).toEqual([]);
  // Once to warm up, then in each round; ten tokens after the first.
  expect(lines).toEqual(Array.from({ length: 4 }, () => "decode 100 10"));
  expect(asked.length).toBeGreaterThan(4); // three that count, after a second and a half of others
  expect(new Set(asked.map(({ prompt, tokens }) => `${prompt} ${tokens}`))).toEqual(new Set(["100 11"]));
  expect(prefill).toMatchObject({ bench: "serve", case: "m, prefill of 100 tokens", unit: "tokens/s", threads: 2 });
  expect(prefill).toMatchObject({ floor: expect.closeTo(2500, 6), floorName: "in this process" });
  expect(prefill?.samples).toHaveLength(3);
  // 50 ms and what HTTP takes, where 40 were told.
  within(prefill?.ratio, 0.5, 0.81);
  expect(decode).toMatchObject({ case: "m, decode of 11 tokens after 100", floor: expect.closeTo(125, 6) });
  // 10 ms and how late timers are, where 8 were told.
  within(decode?.ratio, 0.5, 0.81);
  expect(decode).toMatchObject({ peerName: "a peer", peer: expect.closeTo(50, 6) });
  within(decode?.peerRatio, 1.2, 2);
  expect(prefill).not.toHaveProperty("peerName");
});

test("loads of more clients and at a rate stand beside one client", timed, async () => {
  const rows = await bench({ scenarios: ["loads"], rate: 10, requests: 12 });
  expect(rows.map(({ case: name }) => name)).toEqual(
    ["1 client", "3 clients", "10 requests/s"].flatMap((load) =>
      ["output", "first token", "next token"].map((part) => `m, ${load}: ${part}`),
    ),
  );
  const [one, , , three, , next, rate] = rows;
  expect(one).toMatchObject({ ratio: 1, at: { clients: 1, requests: 12, failed: 0 } });
  within(one?.at?.firstMsMedian, 49, 80);
  within(one?.at?.gapMsP99, 9.5, 40);
  // The model's pace does not depend on how many ask.
  within(three?.ratio, 2, 3.3);
  within(next?.ratio, 0.6, 1.4);
  // Twelve requests of eleven tokens in about 1.2 s and the last answer.
  within(rate?.figure, 40, 200);
  expect(rate?.at).toMatchObject({ rate: 10, requests: 12, failed: 0 });
});

test("a beginning that comes again is found in the cache", timed, async () => {
  const [row] = await bench({ scenarios: ["prefix"] });
  expect(row).toMatchObject({ case: "m, 400 tokens again: first token", unit: "ms", at: { prefix: 400, cached: 400 } });
  // 416 and 16 tokens of half a millisecond.
  within(row?.floor, 207, 260);
  within(row?.figure, 7, 30);
});

test(
  "beside a long prompt streams, prompt and health are held against their time without the other",
  timed,
  async () => {
    const [next, prompt, health] = await bench({ scenarios: ["long"] });
    expect(next).toMatchObject({ case: "m, next token beside a prompt of 2000 tokens, p99", at: { streams: 4 } });
    within(next?.figure, 58, 110);
    within(next?.floor, 9, 40);
    // Half a millisecond a token alone, twice that beside the streams.
    within(prompt?.floor, 1500, 2010);
    within(prompt?.ratio, 0.4, 0.6);
    expect(health).toMatchObject({ case: "m, /health beside a prompt of 2000 tokens, slowest", unit: "ms" });
    within(health?.figure, 0, 50);
  },
);

test("ten times too many requests are sent away or answered, and soon after all is as before", timed, async () => {
  const [answered, recovery] = await bench({ scenarios: ["overload"], concurrency: [1] }, 4);
  const { share200 = 0, share429 = 0, shareOther = 1, requests = 0 } = answered?.at ?? {};
  expect(requests).toBeGreaterThan(200);
  expect(shareOther).toBe(0);
  expect(share200 + share429).toBeCloseTo(1, 9);
  within(share200, 0.03, 0.3);
  within(answered?.ratio, 0.5, 1.2);
  expect(recovery).toMatchObject({ case: "m, overload 10x: recovery", unit: "s" });
  within(recovery?.figure, 0, 5);
});

test("more requests at once than the server takes are refused before anything is sent", async () => {
  await expect(bench({ scenarios: ["loads"], concurrency: [9] })).rejects.toThrow(
    "9 requests at once; the server takes 8 (--max-in-flight)",
  );
});
