/**
 * Requests of any kind against a server with a real engine: each is answered with 2xx or 4xx, and the process lives. FATHOM_FUZZ=100000 sets
 * how many (2,000), FATHOM_FUZZ_SEED which (7).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkAnswer, fuzzedRequests, rightRequests } from "../serve/fuzzedRequests.js";
import { endAll } from "./command.js";
import { engineStats, held, idle, post, type Served, serve, writeSmallModel } from "./served.js";

const requests = Number(process.env.FATHOM_FUZZ ?? 2000);
const seed = Number(process.env.FATHOM_FUZZ_SEED ?? 7);
/** At once, so that those that are wrong run beside those that are right. */
const together = 8;

let folder = "";
let served: Served;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fathom-fuzz-"));
  writeSmallModel(join(folder, "small"));
  const sizes = ["--max-batch", "16", "--cache-tokens", "1024", "--log-level", "error"];
  served = await serve([join(folder, "small"), ...sizes], { maxSeconds: 7200 });
});
afterAll(async () => {
  endAll();
  await served.running.done;
  rmSync(folder, { recursive: true, force: true });
});

test(`${requests} requests of any kind get 2xx or 4xx from a real engine`, async () => {
  const statuses: Record<string, number> = {};
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(fuzzedRequests("small"), rightRequests("small")), { minLength: together, maxLength: together }),
      async (all) => {
        await Promise.all(
          all.map(async ({ path, body, type }) => {
            const { status, text, type: answered } = await post(`${served.url}${path}`, body, {}, type);
            const asked = `${path} ${body} -> ${status} ${text.slice(-300)} ${served.log().slice(-2000)}`;
            expect(status, asked).not.toBeNull();
            statuses[String(status)] = (statuses[String(status)] ?? 0) + 1;
            expect(text, asked).not.toContain('"server_error"'); // in a stream that began well
            checkAnswer(status ?? 0, answered, text);
          }),
        );
      },
    ),
    { numRuns: Math.ceil(requests / together), seed, endOnFailure: true },
  );
  const { finished } = await idle(served);
  if (process.env.FATHOM_FUZZ) console.log(JSON.stringify({ statuses, finished, ...held(served) }));
  expect(statuses[200]).toBeGreaterThan(requests / 4); // most of them from the engine
  expect(statuses[400]).toBeGreaterThan(requests / 4);
  expect(finished.stop + finished.length).toBeGreaterThan(requests / 4);
  expect((await engineStats(served)).finished.error).toBe(0);
  expect(served.running.child.exitCode).toBeNull();
}, 7_200_000);
