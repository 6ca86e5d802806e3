import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkAnswer, fuzzedRequests } from "../../test/serve/fuzzedRequests.js";
import { type TestServer, testServer } from "../../test/serve/testServer.js";

/** Requests of any kind against answers that are known; test/e2e/fuzz.slow.test.ts has a real engine behind them. */
let server: TestServer;
beforeAll(async () => {
  server = await testServer({ write: (_, choice) => `text ${choice} {"a": 1}` }, { drainMs: 500 });
});
afterAll(() => server.server.drain());

test("5,000 requests of any kind get 2xx or 4xx and JSON", async () => {
  const statuses = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(fuzzedRequests("scripted"), async ({ path, body, type }) => {
      const response = await fetch(`${server.url}${path}`, { method: "POST", body, headers: { "content-type": type } });
      statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
      checkAnswer(response.status, response.headers.get("content-type") ?? "", await response.text());
    }),
    { numRuns: 5000, seed: 7, endOnFailure: true },
  );
  expect(statuses.get(200)).toBeGreaterThan(200); // the generator hits both
  expect(statuses.get(400)).toBeGreaterThan(200);
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
  expect(server.model.running).toBe(0);
});
