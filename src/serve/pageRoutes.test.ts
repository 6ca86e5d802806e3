import { appendFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Hono } from "hono";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { loadPreset } from "../model/presets.js";
import type { ModelCard } from "./modelCard.js";
import { addPage, contentSecurityPolicy } from "./pageRoutes.js";
import type { EventsPage, RunSummary } from "./runs.js";

let folder = "";
let app: Hono;
const metrics = (run: string): string => join(folder, "runs", run, "metrics.jsonl");

interface List {
  readonly runs: readonly RunSummary[];
}

async function read<T>(path: string): Promise<T> {
  return (await (await app.request(path)).json()) as T;
}

function step(index: number): string {
  const layers = [{ layer: 1, counts: [index, 1], maxVio: 1 }];
  return `${JSON.stringify({ kind: "step", stage: "pretrain", step: index, tokens: 10 * index, totalTokens: 40, loss: 9 - index, layers })}\n`;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-page-"));
  const web = join(folder, "web");
  mkdirSync(join(web, "assets"), { recursive: true });
  writeFileSync(join(web, "index.html"), "<!doctype html><title>page</title>");
  writeFileSync(join(web, "assets", "index-BxbRltWt.js"), "1");
  writeFileSync(join(folder, "secret.txt"), "secret");
  app = new Hono();
  const info = {
    config: loadPreset("deepseek-v3"),
    weights: "bfloat16",
    cache: "bfloat16",
    maxPositions: 4096,
    isForChats: true,
  };
  addPage(app, {
    models: (id) => (id === "org/v3" ? info : null),
    runsFolder: join(folder, "runs"),
    webFolder: web,
  });
});

beforeEach(() => {
  rmSync(join(folder, "runs"), { recursive: true, force: true });
  mkdirSync(join(folder, "runs", "one"), { recursive: true });
  const start = {
    kind: "start",
    stage: "pretrain",
    step: 0,
    totalTokens: 40,
    parameters: { total: 100, activated: 50 },
  };
  writeFileSync(metrics("one"), `${JSON.stringify(start)}\n${step(1)}${step(2)}`);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the page comes with its policy and is asked for each time; files with hashed names are kept", async () => {
  const page = await app.request("/");
  expect([page.status, page.headers.get("content-type"), page.headers.get("cache-control")]).toEqual([
    200,
    "text/html; charset=utf-8",
    "no-cache",
  ]);
  expect(page.headers.get("content-security-policy")).toBe(contentSecurityPolicy);
  expect(contentSecurityPolicy).not.toMatch(/unsafe|\*/);
  const script = await app.request("/assets/index-BxbRltWt.js");
  expect(await script.text()).toBe("1");
  expect([script.headers.get("content-type"), script.headers.get("cache-control")]).toEqual([
    "text/javascript; charset=utf-8",
    "public, max-age=31536000, immutable",
  ]);
});

test.each(["/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/assets/..%2f..%2fsecret.txt", "/secret.txt"])(
  "%s leads nowhere",
  async (path) => {
    expect((await app.request(path)).status).toBe(404);
  },
);

test("a page that is not built says how to build it", async () => {
  const empty = new Hono();
  addPage(empty, { models: () => null, runsFolder: null, webFolder: join(folder, "nowhere") });
  const page = await empty.request("/");
  expect(page.status).toBe(503);
  expect(await page.text()).toContain("npm run build");
  expect(await (await empty.request("/api/runs")).json()).toEqual({ runs: [] });
});

test("runs are listed with what their first and last events say", async () => {
  mkdirSync(join(folder, "runs", "empty"));
  writeFileSync(join(folder, "runs", "file"), "no run");
  const { runs } = await read<List>("/api/runs");
  expect(runs).toMatchObject([
    { name: "one", stage: "pretrain", step: 2, tokens: 20, totalTokens: 40, loss: 7, isRunning: false },
  ]);
  expect(runs[0]?.parameters).toEqual({ total: 100, activated: 50 });
  appendFileSync(metrics("one"), step(3));
  expect((await read<List>("/api/runs")).runs[0]?.step).toBe(3);
});

test("events are read from a byte on; a line that is still being written waits", async () => {
  appendFileSync(metrics("one"), step(3).slice(0, 20));
  const all = await read<EventsPage>("/api/runs/one/events");
  expect(all.events.map(({ kind }) => kind)).toEqual(["start", "point", "load", "point", "load"]);
  expect(all.next).toBeLessThan(all.size);
  appendFileSync(metrics("one"), step(3).slice(20));
  const more = await read<EventsPage>(`/api/runs/one/events?from=${all.next}&stride=1&loadStride=1`);
  expect(more.events.map(({ step: at }) => at)).toEqual([3, 3]);
  expect(more.next).toBe(more.size);
});

test("a huge run is thinned and answered in parts that join", async () => {
  const padding = "x".repeat(2000);
  const lines = Array.from({ length: 6000 }, (_, i) => step(i + 1).replace("{", `{"padding":"${padding}",`));
  writeFileSync(metrics("one"), lines.join(""));
  let page = await read<EventsPage>("/api/runs/one/events");
  // 6000 steps over 1500 points; the number of steps is reckoned from the length of the first lines.
  expect([4, 5]).toContain(page.stride);
  const events = [...page.events];
  let numPages = 1;
  for (; page.next < page.size; numPages++) {
    const query = `from=${page.next}&stride=${page.stride}&loadStride=${page.loadStride}`;
    page = await read<EventsPage>(`/api/runs/one/events?${query}`);
    events.push(...page.events);
  }
  expect(numPages).toBeGreaterThan(1);
  const points = events.filter((event) => event.kind === "point");
  expect(points.length).toBeLessThan(1600);
  expect(points.reduce((sum, { steps }) => sum + steps, 0)).toBe(6000);
  const counts = events.filter((event) => event.kind === "load").map(({ layers }) => layers[0]?.counts[0] ?? 0);
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe((6000 * 6001) / 2);
});

test.each([
  ["/api/runs/two/events", 404, "run_not_found"],
  ["/api/runs/..%2f..%2fetc/events", 404, "run_not_found"],
  ["/api/runs/%2e%2e/events", 404, "run_not_found"],
  ["/api/runs/.hidden/follow", 404, "run_not_found"],
  ["/api/runs/one/events?from=-1", 400, "invalid_value"],
  ["/api/runs/one/events?stride=0", 400, "invalid_value"],
  ["/api/runs/one/follow?from=1e3", 400, "invalid_value"],
  ["/api/models/other/card", 404, "model_not_found"],
])("%s is refused with %i", async (path, status, code) => {
  const response = await app.request(path);
  expect(response.status).toBe(status);
  // A path that the router normalises to another one has no route at all.
  if (response.headers.get("content-type")?.includes("json"))
    expect(await response.json()).toMatchObject({ error: { code } });
});

test("a model's card is found under a name with a slash", async () => {
  const card = await read<ModelCard>("/api/models/org/v3/card");
  expect([card.id, card.parameters.total]).toEqual(["org/v3", 671_026_419_200]);
});

test("following tells new lines with the byte after each, and that the file was cut", async () => {
  const gone = new AbortController();
  const response = await app.request("/api/runs/one/follow?from=0", { signal: gone.signal });
  expect(response.headers.get("content-type")).toContain("text/event-stream");
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  let text = "";
  const until = async (part: string): Promise<void> => {
    while (!text.includes(part)) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`the stream ended before ${part}: ${text}`);
      text += decoder.decode(value, { stream: true });
    }
  };
  await until('"step":2');
  appendFileSync(metrics("one"), step(3).slice(0, 10));
  appendFileSync(metrics("one"), `${step(3).slice(10)}${step(4)}`);
  await until('"step":4');
  expect(text.match(/"step":\d/g)).toEqual(['"step":0', '"step":1', '"step":2', '"step":3', '"step":4']);
  const ids = [...text.matchAll(/id: (\d+)/g)].map(([, id]) => Number(id));
  const { size } = await read<EventsPage>("/api/runs/one/events");
  expect(ids.at(-1)).toBe(size);
  writeFileSync(metrics("one"), step(1));
  await until("event: reset");
  await reader.cancel();
  gone.abort();
});

test("a run that is a link to another folder is shown", async () => {
  symlinkSync(join(folder, "runs", "one"), join(folder, "runs", "link"));
  expect((await app.request("/api/runs/link/events")).status).toBe(200);
});
