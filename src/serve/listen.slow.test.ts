import { execFile } from "node:child_process";
import { connect, type Socket } from "node:net";
import { promisify } from "node:util";
import { afterEach, expect, test } from "vitest";
import type { Script } from "../../test/serve/scriptedModel.js";
import { readEvents, type TestServer, testServer } from "../../test/serve/testServer.js";
import type { ServerSettings } from "./settings.js";

let opened: TestServer[] = [];
afterEach(async () => {
  for (const { server } of opened) await server.drain();
  opened = [];
});

async function serve(script: Script, settings: Partial<ServerSettings> = {}): Promise<TestServer> {
  const started = await testServer(script, { drainMs: 500, ...settings });
  opened.push(started);
  return started;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function until(isTrue: () => boolean, ms = 5000): Promise<void> {
  const end = performance.now() + ms;
  while (!isTrue() && performance.now() < end) await pause(5);
  expect(isTrue()).toBe(true);
}

/** Sends text over a connection of its own and collects what comes back. */
function raw(
  url: string,
  text: string,
): { readonly socket: Socket; readonly received: () => string; readonly closed: Promise<void> } {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let received = "";
  socket.on("data", (part) => {
    received += part;
  });
  socket.on("error", () => {});
  const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
  socket.write(text);
  return { socket, received: () => received, closed };
}

const post = (body: string, more = ""): string =>
  `POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${more}\r\n${body}`;

test("curl gets an answer and a stream", async () => {
  const { url } = await serve({ write: () => "Hello" });
  const body = JSON.stringify({ messages: [{ role: "user", content: "Hi" }] });
  const curl = (data: string): Promise<{ stdout: string }> =>
    promisify(execFile)("curl", [
      "-sN",
      `${url}/v1/chat/completions`,
      "-H",
      "content-type: application/json",
      "-d",
      data,
    ]);
  expect(JSON.parse((await curl(body)).stdout)).toMatchObject({ choices: [{ message: { content: "Hello" } }] });
  const streamed = await curl(JSON.stringify({ ...JSON.parse(body), stream: true }));
  expect(readEvents(streamed.stdout).data).toHaveLength(8); // role, five letters, end, [DONE]
});

test("a client that closes frees all within a step, streaming or not", async () => {
  const { url, model, server } = await serve({ write: () => "x".repeat(4000), stepMs: 20 });
  for (const stream of [true, false]) {
    const stop = new AbortController();
    const asked = fetch(`${url}/v1/completions`, {
      method: "POST",
      body: JSON.stringify({ prompt: "a", max_tokens: 4000, stream }),
      signal: stop.signal,
    }).then((response) => response.text());
    asked.catch(() => {});
    await until(() => model.running === 1);
    await pause(60);
    const before = model.tokens;
    stop.abort();
    await until(() => model.running === 0, 500);
    expect(model.tokens - before).toBeLessThanOrEqual(4);
    await until(() => server.context.models.all[0]?.admission.inFlight === 0);
  }
});

test("silence is filled with comments, and an answer that takes too long is ended", async () => {
  const { url } = await serve({ write: () => "ab", promptMs: 220 }, { keepAliveMs: 50 });
  const response = await fetch(`${url}/v1/completions`, { method: "POST", body: '{"prompt": "a", "stream": true}' });
  const { data, comments } = readEvents(await response.text());
  expect(comments).toBeGreaterThanOrEqual(2);
  expect(data.at(-1)).toBe("[DONE]");
  const late = await serve({ write: () => "x".repeat(1000), stepMs: 20 }, { requestTimeoutMs: 200 });
  const ask = (stream: boolean): Promise<Response> =>
    fetch(`${late.url}/v1/completions`, {
      method: "POST",
      body: JSON.stringify({ prompt: "a", max_tokens: 1000, stream }),
    });
  const whole = await ask(false);
  expect(whole.status).toBe(408);
  expect(await whole.json()).toMatchObject({ error: { code: "request_timeout" } });
  const cut = readEvents(await (await ask(true)).text());
  expect(cut.data.at(-1)).toMatchObject({ error: { code: "request_timeout" } });
  expect(late.model.running).toBe(0);
});

test("slow and silent clients are ended and hurt nobody", async () => {
  const { url } = await serve({ write: () => "ok" }, { receiveTimeoutMs: 500 });
  const silent = Array.from({ length: 50 }, () => raw(url, ""));
  const slowHeads = Array.from({ length: 50 }, () => raw(url, "POST /v1/completions HTTP/1.1\r\nhost: x\r\nx-"));
  const slowBodies = Array.from({ length: 50 }, () => raw(url, post('{"prompt": "a"}').slice(0, -5)));
  await fetch(`${url}/health`);
  const drip = setInterval(() => {
    for (const { socket } of slowHeads) if (!socket.destroyed) socket.write("a");
  }, 50);
  for (let i = 0; i < 10; i++) {
    const begun = performance.now();
    expect((await fetch(`${url}/health`)).status).toBe(200);
    expect(performance.now() - begun).toBeLessThan(50);
  }
  const answered = await fetch(`${url}/v1/completions`, { method: "POST", body: '{"prompt": "a"}' });
  expect(answered.status).toBe(200);
  await Promise.all([...slowHeads, ...slowBodies].map(({ closed }) => closed));
  clearInterval(drip);
  for (const { received } of [...slowHeads, ...slowBodies]) {
    expect(received()).toMatch(/^HTTP\/1\.1 408 /);
    expect(JSON.parse(received().split("\r\n\r\n")[1] ?? "")).toMatchObject({
      error: { type: "invalid_request_error" },
    });
  }
  for (const { socket } of silent) socket.destroy();
});

test("a client that does not read its stream holds up itself alone", async () => {
  const { url, model } = await serve({ write: () => "x".repeat(3000) }, { keepAliveMs: 50 });
  const body = JSON.stringify({ prompt: "a", max_tokens: 3000, n: 32, stream: true, logprobs: 20 });
  const deaf = raw(url, post(body));
  deaf.socket.pause();
  await until(() => model.tokens > 100);
  await pause(500);
  const held = model.tokens;
  expect(held).toBeLessThan(90_000); // the pipe is full, and what comes after it is not made
  await pause(300);
  expect(model.tokens).toBe(held);
  const other = await fetch(`${url}/v1/completions`, { method: "POST", body: '{"prompt": "a", "max_tokens": 5}' });
  expect(other.status).toBe(200);
  deaf.socket.destroy();
  await until(() => model.running === 0);
});

test("what is no HTTP, too large or cut short gets a 4xx in JSON or a closed connection, and the server lives", async () => {
  const { url } = await serve({ write: () => "ok" }, { receiveTimeoutMs: 500, maxBodyBytes: 10_000 });
  const whole = [
    "nonsense\r\n\r\n",
    `GET /health HTTP/1.1\r\nhost: x\r\nx-long: ${"a".repeat(20_000)}\r\n\r\n`,
    post("x".repeat(20_000)),
    "POST /v1/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
    `POST /v1/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n4e20\r\n${"x".repeat(20_000)}\r\n0\r\n\r\n`,
  ];
  for (const text of whole) {
    const { received, closed } = raw(url, text);
    await closed;
    expect(received(), text.slice(0, 60)).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(JSON.parse(received().split("\r\n\r\n")[1] ?? "")).toHaveProperty("error.message");
  }
  const cut = raw(url, post('{"prompt": "a"}').slice(0, -5));
  await pause(50);
  cut.socket.destroy();
  expect((await fetch(`${url}/health`)).status).toBe(200);
});

test("500 streams with random disconnects give everything back", async () => {
  const { url, model, server } = await serve({ write: () => "some words ".repeat(20), stepMs: 2 });
  let aborted = 0;
  const one = async (i: number): Promise<void> => {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), (i * 7919) % 400);
    try {
      const response = await fetch(`${url}/v1/completions`, {
        method: "POST",
        body: JSON.stringify({ prompt: "a", max_tokens: 100, stream: i % 3 > 0 }),
        signal: stop.signal,
      });
      await response.text();
    } catch {
      aborted++;
    } finally {
      clearTimeout(timer);
    }
  };
  for (let from = 0; from < 500; from += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, i) => one(from + i)));
  }
  expect(aborted).toBeGreaterThan(50);
  await until(() => model.running === 0);
  await until(() => server.context.models.all[0]?.admission.inFlight === 0);
});

test("ten times too much is answered with 429, and soon after all is as before", async () => {
  const { url, model } = await serve({ write: () => "some words", stepMs: 5 }, { maxInFlight: 20 });
  const send = async (): Promise<number> => {
    const response = await fetch(`${url}/v1/completions`, { method: "POST", body: '{"prompt": "a"}' });
    await response.text();
    if (response.status === 429) expect(Number(response.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    return response.status;
  };
  const statuses = await Promise.all(Array.from({ length: 200 }, send));
  expect([...new Set(statuses)].sort()).toEqual([200, 429]);
  expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(20);
  expect(model.mostRunning).toBeLessThanOrEqual(20);
  const begun = performance.now();
  expect(await send()).toBe(200);
  expect(performance.now() - begun).toBeLessThan(5000);
});

test("draining says not ready, lets streams end, then ends what is left", async () => {
  const { server, url, model } = await serve({ write: () => "x".repeat(30), stepMs: 20 }, { drainMs: 10_000 });
  const stream = await fetch(`${url}/v1/completions`, {
    method: "POST",
    body: '{"prompt": "a", "max_tokens": 30, "stream": true}',
  });
  const drained = server.drain();
  expect((await fetch(`${url}/readyz`)).status).toBe(503);
  expect((await fetch(`${url}/livez`)).status).toBe(200);
  const refused = await fetch(`${url}/v1/completions`, { method: "POST", body: '{"prompt": "a"}' });
  expect(refused.status).toBe(503);
  expect(refused.headers.get("retry-after")).toBe("5");
  expect(readEvents(await stream.text()).data.at(-1)).toBe("[DONE]");
  await drained;
  expect(model.isClosed).toBe(true);
  await expect(fetch(`${url}/livez`)).rejects.toThrow();

  const slow = await testServer({ write: () => "x".repeat(4000), stepMs: 20 }, { drainMs: 300 });
  const cut = await fetch(`${slow.url}/v1/completions`, {
    method: "POST",
    body: '{"prompt": "a", "max_tokens": 4000, "stream": true}',
  });
  const begun = performance.now();
  const [text] = await Promise.all([cut.text(), slow.server.drain()]);
  expect(performance.now() - begun).toBeLessThan(2000);
  expect(readEvents(text).data.at(-1)).toMatchObject({ error: { code: "shutting_down" } });
  expect(slow.model.running).toBe(0);
});
