import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { hubName, localModel } from "./modelPath.js";

/** A hub with one model of one file. */
const commit = "0123456789abcdef0123456789abcdef01234567";
const config = '{"model_type":"deepseek_v3"}\n';
let server: Server;
let folder = "";
let fetched: string[] = [];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "fathom-cache-"));
  fetched = [];
  server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://hub").pathname;
    const oid = createHash("sha1").update(`blob ${config.length}\0${config}`).digest("hex");
    const answers: Record<string, unknown> = {
      "/api/models/some/model/revision/v1": { _id: "1", id: "some/model", sha: commit, tags: [] },
      [`/api/models/some/model/tree/${commit}`]: [{ type: "file", path: "config.json", size: config.length, oid }],
    };
    if (answers[path]) {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(answers[path]));
    } else if (path === `/some/model/resolve/${commit}/config.json`) {
      fetched.push(`${request.method}`);
      response.setHeader("etag", '"tag"');
      const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
      if (from !== undefined) {
        const end = to ? Number(to) : config.length - 1;
        response.writeHead(206, { "content-range": `bytes ${from}-${end}/${config.length}` });
        response.end(config.slice(Number(from), end + 1));
      } else response.end(config);
    } else response.writeHead(404).end();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  vi.stubEnv("HF_ENDPOINT", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  vi.stubEnv("FATHOM_CACHE", folder);
  vi.spyOn(process.stderr, "write").mockReturnValue(true);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
  rmSync(folder, { recursive: true, force: true });
});

test("a path stays as it is, and a name on the hub becomes a directory that is filled once", async () => {
  expect(await localModel("runs/quickstart")).toBe("runs/quickstart");
  const directory = await localModel("hf:some/model@v1");
  expect(directory).toBe(join(folder, "models", "some--model@v1"));
  expect(readFileSync(join(directory, "config.json"), "utf8")).toBe(config);
  const before = fetched.length;
  expect(await localModel("hf:some/model@v1")).toBe(directory);
  expect(fetched).toHaveLength(before);
  await expect(localModel("hf:model")).rejects.toThrow("expected organisation/name");
  await expect(localModel("hf:some/model@none")).rejects.toThrow("not found (404)");
});

test("requests call a model from the hub by its name there", () => {
  expect(hubName("hf:some/model@v1")).toBe("some/model");
  expect(hubName("runs/quickstart")).toBeNull();
});
