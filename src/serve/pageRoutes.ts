/**
 * The web page and what only it asks for: the built files of `web/` at `/`, the runs on disk and the card of a model below `/api`. The files
 * are read once, when the server starts, and only they are served, so no path leads anywhere else. The page itself needs no key, for a browser
 * has none to show before it is loaded; a server with keys guards `/api/*` as it guards `/v1/*`.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, extname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { Context, Hono } from "hono";
import { streamSSE } from "hono/streaming";
import type { PageRoutes } from "./app.js";
import { type CardedModel, modelCard } from "./modelCard.js";
import type { Strides } from "./runEvents.js";
import { Runs } from "./runs.js";

export interface PageOptions {
  /** The model of an id as it is loaded now; null if there is none of that id. */
  readonly models: (id: string) => CardedModel | null;
  /** Folder whose folders are runs; it may be missing. null = no runs are shown. */
  readonly runsFolder: string | null;
  readonly webFolder: string;
}

/** Nothing but the page's own files runs, and no other page may frame it. */
export const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const pageHeaders = {
  "content-security-policy": contentSecurityPolicy,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
} as const;

const contentTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".txt": "text/plain; charset=utf-8",
};

/** Pages that may follow runs at the same time. */
const maxFollowers = 64;

/** Adds all of the page's routes to an app without keys. */
export function addPage(app: Hono, options: PageOptions): void {
  const page = pageRoutes(options);
  page.open(app);
  page.guarded(app);
}

/** Where `npm run build` puts the page: dist/web, from dist/serve as from src/serve. */
export function builtWebFolder(): string {
  return resolve(dirname(fileURLToPath(import.meta.url)), "../../dist/web");
}

export function pageRoutes({ models, runsFolder, webFolder }: PageOptions): PageRoutes {
  return {
    open: (app) => fileRoutes(app, webFolder),
    guarded: (app) => {
      app.get("/api/models/:id{.+}/card", (c) => {
        const id = c.req.param("id");
        const model = models(id);
        if (!model) return refusal(c, 404, `no model of the name ${JSON.stringify(id)}`, "id", "model_not_found");
        return answer(c, modelCard(id, model));
      });
      runRoutes(app, runsFolder === null ? null : new Runs(runsFolder));
    },
  };
}

function runRoutes(app: Hono, runs: Runs | null): void {
  let followers = 0;
  app.get("/api/runs", async (c) => answer(c, { runs: runs === null ? [] : await runs.list() }));

  app.get("/api/runs/:name/events", async (c) => {
    const name = c.req.param("name");
    const [from, stride, loadStride] = [count(c, "from", 0), count(c, "stride", 1), count(c, "loadStride", 1)];
    for (const given of [from, stride, loadStride]) if (given instanceof Response) return given;
    const strides = typeof stride === "number" && typeof loadStride === "number" ? { stride, loadStride } : null;
    const page = await runs?.events(name, {
      from: typeof from === "number" ? from : 0,
      ...(strides ? { strides: strides satisfies Strides } : {}),
    });
    return page ? answer(c, page) : noRun(c, name);
  });

  app.get("/api/runs/:name/follow", async (c) => {
    const name = c.req.param("name");
    const from = count(c, "from", 0);
    if (from instanceof Response) return from;
    if (!runs || !(await runs.has(name))) return noRun(c, name);
    if (followers >= maxFollowers) {
      return refusal(c, 429, `${maxFollowers} pages follow runs already; close one`, null, "too_many_followers");
    }
    followers++;
    const gone = new AbortController();
    c.header("x-content-type-options", "nosniff");
    return streamSSE(c, async (stream) => {
      stream.onAbort(() => gone.abort());
      try {
        for await (const message of runs.follow(name, from ?? 0, gone.signal)) {
          if (gone.signal.aborted) break;
          if (message.type === "line") await stream.writeSSE({ data: message.line, id: String(message.next) });
          else if (message.type === "reset") await stream.writeSSE({ event: "reset", data: "{}" });
          else await stream.write(": idle\n\n");
        }
      } finally {
        followers--;
        gone.abort();
      }
    });
  });
}

interface PageFile {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly type: string;
  /** Whether its name changes with its content. */
  readonly isHashed: boolean;
}

function fileRoutes(app: Hono, folder: string): void {
  const files = readFiles(folder);
  const serve = (c: Context, file: PageFile): Response =>
    c.body(file.body, 200, {
      ...pageHeaders,
      "content-type": file.type,
      "cache-control": file.isHashed ? "public, max-age=31536000, immutable" : "no-cache",
    });
  const index = files.get("index.html");
  app.get("/", (c) =>
    index
      ? serve(c, index)
      : c.text(`The page is not built: no index.html in ${folder}. Run: npm run build\n`, 503, pageHeaders),
  );
  for (const [path, file] of files) app.get(`/${path}`, (c) => serve(c, file));
}

function readFiles(folder: string): Map<string, PageFile> {
  const files = new Map<string, PageFile>();
  if (!existsSync(folder)) return files;
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" }).sort()) {
    const path = join(folder, name);
    const type = contentTypes[extname(name)];
    if (type === undefined || !statSync(path).isFile()) continue;
    const url = relative(folder, path).split(sep).join("/");
    const isHashed = /^assets\/.+-[\w-]{8,}\.\w+$/.test(url);
    files.set(url, { body: new Uint8Array(readFileSync(path)), type, isHashed });
  }
  return files;
}

function answer(c: Context, body: object): Response {
  return c.json(body, 200, { "cache-control": "no-store", "x-content-type-options": "nosniff" });
}

/** A whole number from `low` on of the query; null if it is not given, the refusal if it is something else. */
function count(c: Context, key: string, low: number): number | null | Response {
  const text = c.req.query(key);
  if (text === undefined) return null;
  const value = Number(text);
  if (/^\d{1,15}$/.test(text) && value >= low) return value;
  return refusal(
    c,
    400,
    `${key} must be a whole number from ${low}, got ${JSON.stringify(text.slice(0, 40))}`,
    key,
    "invalid_value",
  );
}

function noRun(c: Context, name: string): Response {
  return refusal(c, 404, `no run of the name ${JSON.stringify(name.slice(0, 200))}`, "name", "run_not_found");
}

function refusal(c: Context, status: 400 | 404 | 429, message: string, param: string | null, code: string): Response {
  return c.json({ error: { message, type: "invalid_request_error", param, code } }, status);
}
