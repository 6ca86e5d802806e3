/** The generator against a server whose delays, refusals and failures are known. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { CompletionStream, type LoadTarget, type RequestRecord } from "./completionRequest.js";
import { generateLoad, watchHealth } from "./loadGenerator.js";
import type { LoadPlan } from "./loadPlan.js";
import { summarize } from "./loadSummary.js";

interface Body {
  readonly model?: string;
  readonly prompt: readonly number[];
  readonly max_tokens: number;
  readonly min_tokens: number;
  readonly ignore_eos: boolean;
  readonly stream: boolean;
}

type Answer = (body: Body, response: ServerResponse, request: IncomingMessage) => void | Promise<void>;

let server: Server | null = null;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = null;
});

/** Answers each completion as it is told, and /health at once. */
async function serving(answer: Answer): Promise<LoadTarget> {
  const listening = createServer(async (request, response) => {
    if (request.url === "/health") {
      response.end("{}");
      return;
    }
    let text = "";
    for await (const part of request) text += String(part);
    await answer(JSON.parse(text) as Body, response, request);
  });
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(listening.address() as AddressInfo).port}`, model: "m", apiKey: null };
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const chunk = (text: string): string => `data: ${JSON.stringify({ choices: [{ index: 0, text }], usage: null })}\n\n`;

/** A stream with its first token after `firstMs` and one more each `gapMs`. */
async function stream(body: Body, response: ServerResponse, delays: { firstMs: number; gapMs: number }): Promise<void> {
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (let i = 0; i < body.max_tokens; i++) {
    await wait(i === 0 ? delays.firstMs : delays.gapMs);
    if (response.destroyed) return;
    response.write(chunk(` "text":"é${i}`));
  }
  const usage = { completion_tokens: body.max_tokens, prompt_tokens_details: { cached_tokens: 2 } };
  response.write(chunk(""));
  response.end(`data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`);
}

const plan: LoadPlan = {
  arrival: { kind: "closed", clients: 1 },
  requests: 4,
  promptTokens: { least: 6, most: 6 },
  outputTokens: { least: 5, most: 5 },
  sharedPrefix: null,
  ids: { least: 3, most: 9 },
  seed: 1,
};
const never = new AbortController().signal;

test("waiting times are those of the server, and the counts are exact", async () => {
  const bodies: Body[] = [];
  const target = await serving((body, response) => {
    bodies.push(body);
    return stream(body, response, { firstMs: 80, gapMs: 25 });
  });
  const records = await generateLoad(target, plan, never);
  const summary = summarize(records);
  // A timer is never early by more than a millisecond, and late by what else the machine does.
  expect(summary.firstMs?.median).toBeGreaterThan(78);
  expect(summary.firstMs?.median).toBeLessThan(130);
  expect(summary.gapMs?.median).toBeGreaterThan(23);
  expect(summary.gapMs?.median).toBeLessThan(45);
  expect(summary.wholeMs?.median).toBeGreaterThan(178);
  expect(summary.outcomes).toEqual({ "200": 4 });
  expect(records.map(({ outputTokens, cachedTokens }) => [outputTokens, cachedTokens])).toEqual(Array(4).fill([5, 2]));
  expect(records.map(({ pieceMs }) => pieceMs.length)).toEqual([5, 5, 5, 5]);
  const rate = (4 * 5) / summary.seconds;
  expect(summary.outputTokensPerSecond).toBeCloseTo(rate, 9);
  for (const body of bodies) {
    expect(body).toMatchObject({ model: "m", max_tokens: 5, min_tokens: 5, ignore_eos: true, stream: true });
    expect(body.prompt).toHaveLength(6);
  }
});

test("a closed loop keeps as many requests running as it has clients, over connections that stay open", async () => {
  let running = 0;
  let most = 0;
  const sockets = new Set<unknown>();
  const target = await serving(async (body, response, request) => {
    sockets.add(request.socket);
    most = Math.max(most, ++running);
    await stream(body, response, { firstMs: 10, gapMs: 1 });
    running--;
  });
  const closed = { ...plan, arrival: { kind: "closed", clients: 3 }, requests: 12 } as const;
  const records = await generateLoad(target, closed, never);
  expect(summarize(records).outcomes).toEqual({ "200": 12 });
  expect(most).toBe(3);
  expect(sockets.size).toBe(3);
});

test("an open loop sends at its times though nothing is answered", async () => {
  const target = await serving(async (body, response) => stream(body, response, { firstMs: 400, gapMs: 0 }));
  const open = { ...plan, arrival: { kind: "open", requestsPerSecond: 100 }, requests: 20 } as const;
  const records = await generateLoad(target, open, never);
  const starts = records.map(({ startMs }) => startMs);
  expect(starts).toEqual(starts.toSorted((a, b) => a - b));
  // 20 arrivals at 100 a second take about 200 ms; waiting for answers would take eight seconds.
  expect((starts.at(-1) ?? 0) - (starts[0] ?? 0)).toBeLessThan(390);
  expect((starts.at(-1) ?? 0) - (starts[0] ?? 0)).toBeGreaterThan(60);
  expect(summarize(records).succeeded).toBe(20);
});

test("refusals, cuts and errors inside of a stream are told apart", async () => {
  let count = 0;
  const target = await serving(async (body, response, request) => {
    const turn = count++;
    if (turn === 0) return stream(body, response, { firstMs: 0, gapMs: 0 });
    if (turn < 3) {
      response.writeHead(429, { "retry-after": "1", "content-type": "application/json" });
      response.end('{"error":{"type":"rate_limit_error"}}');
      return;
    }
    if (turn === 3) {
      request.socket.destroy();
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(chunk("a"));
    await wait(5);
    if (turn === 4) request.socket.destroy();
    else if (turn === 5) response.end();
    else response.end('data: {"error":{"message":"no","type":"server_error"}}\n\n');
  });
  const records = await generateLoad(target, { ...plan, requests: 7 }, never);
  expect(summarize(records).outcomes).toEqual({ "200": 1, "429": 2, ECONNRESET: 2, "cut short": 1, server_error: 1 });
  expect(records[4]?.pieceMs).toHaveLength(1);
  expect(records[4]?.status).toBe(200);
  expect(records[3]?.status).toBe(0);
});

test("a server that is not there costs a record each, not an exception", async () => {
  const target = await serving(() => {});
  server?.close();
  const records = await generateLoad(target, { ...plan, requests: 2 }, never);
  expect(summarize(records).outcomes).toEqual({ ECONNREFUSED: 2 });
});

test("a load without an end runs until it is stopped, and health is watched meanwhile", async () => {
  const endless = { ...plan, arrival: { kind: "closed", clients: 2 }, requests: null } as const;
  let turn = 0;
  let left = 0;
  const target = await serving(async (body, response) => {
    const mayEnd = turn++ < 4;
    response.on("close", () => {
      if (!response.writableFinished) left++;
    });
    await stream(mayEnd ? body : { ...body, max_tokens: 100_000 }, response, { firstMs: 5, gapMs: 5 });
  });
  const stop = new AbortController();
  const running = generateLoad(target, { ...endless, outputTokens: { least: 20, most: 20 } }, stop.signal);
  const watching = watchHealth(target, 10, stop.signal);
  await expect.poll(() => turn, { timeout: 20_000 }).toBe(6);
  await wait(150);
  stop.abort();
  const records: RequestRecord[] = await running;
  const { outcomes } = summarize(records);
  expect(outcomes).toEqual({ "200": 4, stopped: 2 });
  const looks = await watching;
  expect(looks.length).toBeGreaterThan(1);
  // Never sooner than asked for, but for the millisecond that a timer's clock is coarse by.
  const gaps = looks.slice(1).map(({ atMs }, i) => atMs - (looks[i]?.atMs ?? 0));
  expect(Math.min(...gaps)).toBeGreaterThan(8.5);
  expect(new Set(looks.map(({ status }) => status))).toEqual(new Set([200]));
  await expect.poll(() => left, { timeout: 20_000 }).toBe(2);
});

test("a stream is read the same however it is cut", () => {
  const text = [
    ": keep-alive\n\n",
    'data: {"choices":[{"index":0,"text":"é","finish_reason":null}],"usage":null}\n\n',
    'data: {"choices":[{"text": "\\"text\\":\\"\\""}]}\r\n\r\n',
    'data: {"choices":[{"index":0,"text":"","finish_reason":"length"}]}\n\n',
    'data: {"choices":[],"usage":{"completion_tokens":7}}\n\ndata: [DONE]\n\n',
  ].join("");
  const bytes = Buffer.from(text);
  for (const size of [1, 2, 7, 50, 10_000]) {
    const read = new CompletionStream();
    for (let at = 0; at < bytes.length; at += size) read.push(bytes.subarray(at, at + size), at);
    expect(read.pieceMs).toHaveLength(2);
    expect(read).toMatchObject({ isDone: true, failure: null, usage: { outputTokens: 7, cachedTokens: 0 } });
  }
});
