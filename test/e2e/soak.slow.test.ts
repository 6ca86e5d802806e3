/**
 * Many streams against a server with a real engine whose cache and batch are too small for them: clients leave in the middle, prompts begin
 * alike, several choices and grammars. What they held must come back, and the process must not grow. FATHOM_SOAK=10000 sets how many (500).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Random } from "../../src/generate/sampler.js";
import { endAll } from "./command.js";
import { engineStats, held, idle, type Patience, post, type Served, serve, writeSmallModel } from "./served.js";

const streams = Number(process.env.FATHOM_SOAK ?? 500);
const clients = 32;
/** Growth that is allowed after a third of the streams: the heaps of JavaScript's threads breathe by tens of megabytes. */
const mostMegabytes = 48;
const mostFiles = 4;

let folder = "";
let served: Served;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fathom-soak-"));
  writeSmallModel(join(folder, "small"));
  // 16 choices and 1024 tokens: choices of a few requests take each other's pages.
  const sizes = ["--max-batch", "16", "--cache-tokens", "1024", "--receive-timeout", "2", "--log-level", "error"];
  served = await serve([join(folder, "small"), ...sizes], { maxSeconds: 3600 });
});
afterAll(async () => {
  endAll();
  await served.running.done;
  rmSync(folder, { recursive: true, force: true });
});

const beginnings = ["The cat ", "Once upon a time ", "In the year 1800 ", "0123456789 "].map((text) => text.repeat(12));
const person = { type: "object", properties: { name: { type: "string", maxLength: 9 }, age: { type: "integer" } } };
const forms = [
  { guided_regex: "[a-f]{3,30}" },
  { guided_choice: ["yes", "no", "perhaps"] },
  { response_format: { type: "json_object" } },
  { response_format: { type: "json_schema", json_schema: { name: "person", schema: person } } },
];

interface Client {
  readonly path: string;
  readonly body: object;
  readonly patience: Patience;
}

/** The i-th client, always the same one. */
function clientOf(i: number): Client {
  const random = new Random(i);
  const below = (count: number): number => Math.floor(random.next() * count);
  const prompt = `${beginnings[below(4)]?.slice(0, 1 + below(190))}${i % 3 === 0 ? i : ""}`;
  const isChat = below(3) === 0;
  const body = {
    ...(isChat ? { messages: [{ role: "user", content: prompt }] } : { prompt }),
    stream: below(4) > 0,
    n: 1 + below(3),
    max_tokens: 1 + below(below(5) === 0 ? 200 : 40),
    temperature: below(3) / 2,
    seed: i,
    ignore_eos: below(2) === 0,
    ...(below(4) === 0 ? forms[below(4)] : {}),
    ...(below(4) === 0 ? { stop: ["a", "\n\n"] } : {}),
    ...(below(6) === 0 ? { logprobs: isChat ? true : 2 } : {}),
    priority: below(3),
  };
  const leaving: Patience[] = [{}, {}, { ms: below(150) }, { pieces: 1 + below(20) }];
  return { path: isChat ? "/v1/chat/completions" : "/v1/completions", body, patience: leaving[below(4)] ?? {} };
}

test(`${streams} streams come and go, and the server is as before`, async () => {
  const counts = { whole: 0, left: 0 };
  let next = 0;
  const work = async (end: number): Promise<void> => {
    while (next < end) {
      const { path, body, patience } = clientOf(next++);
      const { status, text, type } = await post(`${served.url}${path}`, JSON.stringify(body), patience);
      if (status === null) {
        expect(patience, `${path} ${JSON.stringify(body)}`).not.toEqual({}); // it was the client that left
        counts.left++;
        continue;
      }
      expect(status, text).toBe(200);
      expect(text).not.toContain('"error"');
      if (type.startsWith("text/event-stream")) expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
      counts.whole++;
    }
  };
  const until = async (end: number): Promise<ReturnType<typeof held>> => {
    await Promise.all(Array.from({ length: clients }, () => work(end)));
    await idle(served);
    return held(served);
  };
  const begun = performance.now();
  const before = held(served);
  const warm = await until(Math.ceil(streams / 3));
  const after = await until(streams);
  const seconds = (performance.now() - begun) / 1000;
  const { pages, preemptions, prefixHits, finished, promptTokens, completionTokens } = await engineStats(served);
  const counted = { pages, preemptions, prefixHits, finished, promptTokens, completionTokens };
  if (process.env.FATHOM_SOAK) console.log(JSON.stringify({ seconds, ...counts, before, warm, after, ...counted }));
  expect(counts.whole + counts.left).toBe(streams);
  expect(counts.left).toBeGreaterThan(streams / 10);
  expect(finished.error).toBe(0);
  expect(finished.abort).toBeGreaterThan(streams / 20);
  expect(preemptions).toBeGreaterThan(0);
  expect(prefixHits).toBeGreaterThan(streams);
  expect(after.files).toBeLessThanOrEqual(warm.files + mostFiles);
  expect(after.megabytes).toBeLessThan(warm.megabytes + mostMegabytes);
  const last = await post(`${served.url}/v1/completions`, JSON.stringify({ prompt: "a", max_tokens: 4 }));
  expect(last.status).toBe(200);
}, 3_600_000);

test("clients that are silent, slow, or do not read hurt nobody", async () => {
  const ask = async (): Promise<number> => {
    const begun = performance.now();
    const body = { prompt: "Once", max_tokens: 20, ignore_eos: true, temperature: 0 };
    const { status, text } = await post(`${served.url}/v1/completions`, JSON.stringify(body));
    expect(status, text).toBe(200);
    return performance.now() - begun;
  };
  const median = async (): Promise<number> => {
    const times: number[] = [];
    for (let i = 0; i < 9; i++) times.push(await ask());
    return times.sort((a, b) => a - b)[4] ?? 0;
  };
  const alone = await median();
  const { hostname, port } = new URL(served.url);
  const open = (text: string) => {
    const socket = connect(Number(port), hostname);
    socket.on("error", () => {});
    socket.write(text);
    return socket;
  };
  const head = "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
  const silent = Array.from({ length: 50 }, () => open(""));
  const slow = Array.from({ length: 50 }, (_, i) =>
    open(i % 2 ? `${head}x-` : `${head}content-length: 400\r\n\r\n{"prompt": `),
  );
  const drip = setInterval(() => {
    for (const socket of slow) if (!socket.destroyed) socket.write("a");
  }, 50);
  const long = { prompt: "a", max_tokens: 400, ignore_eos: true, n: 2, stream: true, logprobs: 20 };
  const body = JSON.stringify(long);
  const deaf = Array.from({ length: 6 }, () => open(`${head}content-length: ${body.length}\r\n\r\n${body}`).pause());
  // What the deaf ones asked for is written and waits in the server: they hold no page of the cache then.
  await idle(served);
  const beside = await median();
  expect(beside).toBeLessThan(3 * alone + 50);
  clearInterval(drip);
  for (const socket of [...silent, ...slow, ...deaf]) socket.destroy();
  await idle(served);
  expect((await engineStats(served)).finished.error).toBe(0);
});
