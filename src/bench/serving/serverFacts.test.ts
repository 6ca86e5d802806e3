import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { askServer } from "./serverFacts.js";

let server: Server | null = null;
afterEach(() => {
  server?.close();
  server?.closeAllConnections();
});

async function serving(answers: Readonly<Record<string, unknown>>, key: string | null = null): Promise<string> {
  const listening = createServer((request, response) => {
    const isKnown = key === null || request.headers.authorization === `Bearer ${key}`;
    const body = answers[request.url ?? ""];
    response.statusCode = !isKnown ? 401 : body === undefined ? 404 : 200;
    response.end(isKnown && body !== undefined ? JSON.stringify(body) : "not JSON");
  });
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
}

test("our own server tells positions, vocabulary and how many requests it takes", async () => {
  const props = { models: [{ vocab_size: 300, weights: "int8" }], max_in_flight: 32 };
  const url = await serving({ "/v1/models": { data: [{ id: "m", max_model_len: 512 }] }, "/props": props }, "secret");
  expect(await askServer({ url, apiKey: "secret" })).toEqual({
    model: "m",
    maxPositions: 512,
    maxInFlight: 32,
    weights: "int8",
    ids: { least: 16, most: 299 },
  });
  await expect(askServer({ url, apiKey: null })).rejects.toThrow("/v1/models names no model (status 401)");
});

test("a server of another program need only name its model", async () => {
  const url = await serving({ "/v1/models": { data: [{ id: "other" }] } });
  expect(await askServer({ url, apiKey: null })).toEqual({
    model: "other",
    maxPositions: null,
    maxInFlight: null,
    weights: null,
    ids: { least: 16, most: 1023 },
  });
});

test("a server that is not there is told by its address", async () => {
  const url = await serving({});
  server?.close();
  server?.closeAllConnections();
  await expect(askServer({ url, apiKey: null })).rejects.toThrow(`bench serve: ${url} does not answer:`);
});
