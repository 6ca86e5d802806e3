/**
 * All routes of the server as one handler of web requests: tests call it in process, `listen.ts` puts it behind a port. What is registered
 * before the keys is open to everyone; everything after needs one, if there are any.
 */
import { randomBytes } from "node:crypto";
import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import { ApiError, apiErrorOf, clientClosed } from "./apiError.js";
import { requireKey } from "./apiKeys.js";
import { applyTemplate, chatCompletion } from "./chatRoute.js";
import { completion, infill } from "./completionRoute.js";
import { openApi } from "./openApi.js";
import { jsonAnswer } from "./respond.js";
import type { ServerContext } from "./serverContext.js";
import { listModels, live, oneModel, properties, ready } from "./statusRoutes.js";
import { detokenize, tokenize } from "./tokenRoutes.js";

/** Adds routes of its own: those of the page before the keys, those of its data after. */
export interface PageRoutes {
  readonly open: (app: Hono) => void;
  readonly guarded: (app: Hono) => void;
}

export function createApp(context: ServerContext, page: PageRoutes | null = null): Hono {
  const { settings, metrics, models, version } = context;
  const app = new Hono();
  app.use(measured(context));
  app.onError((error) => apiErrorOf(error).toResponse());
  app.notFound((c) => unknownRoute(c).toResponse());
  if (settings.corsOrigins.length > 0) {
    const origin = settings.corsOrigins.includes("*") ? "*" : [...settings.corsOrigins];
    app.use(cors({ origin, exposeHeaders: ["x-request-id", "retry-after", "x-ignored-fields"], maxAge: 600 }));
  }
  app.use(sameOrigin(settings.corsOrigins));
  for (const path of ["/livez", "/ping"]) app.get(path, () => live());
  for (const path of ["/health", "/v1/health", "/ready", "/readyz"]) app.get(path, () => ready(context));
  const metricsText = async (): Promise<Response> =>
    new Response(await metrics.text(models), { headers: { "content-type": metrics.contentType } });
  if (settings.metricsOpen) app.get("/metrics", metricsText);
  if (page) page.open(app);
  else app.get("/", () => jsonAnswer({ name: "fathom", version, api: "/openapi.json" }));

  if (settings.apiKeys.length > 0) app.use(requireKey(settings.apiKeys));
  if (!settings.metricsOpen) app.get("/metrics", metricsText);
  for (const path of ["/v1/chat/completions", "/chat/completions", "/beta/chat/completions"]) {
    app.post(path, (c) => chatCompletion(context, c));
  }
  for (const path of ["/v1/completions", "/completions", "/beta/completions"]) {
    app.post(path, (c) => completion(context, c));
  }
  app.post("/infill", (c) => infill(context, c));
  for (const base of ["/v1/models", "/models"]) {
    app.get(base, () => listModels(context));
    app.get(`${base}/:id{.+}`, (c) => oneModel(context, c));
  }
  for (const base of ["", "/v1"]) {
    app.post(`${base}/tokenize`, (c) => tokenize(context, c));
    app.post(`${base}/detokenize`, (c) => detokenize(context, c));
  }
  app.post("/apply-template", (c) => applyTemplate(context, c));
  app.get("/version", () => jsonAnswer({ version }));
  for (const path of ["/props", "/server_info"]) app.get(path, () => properties(context));
  app.get("/openapi.json", () => jsonAnswer(openApi(version)));
  page?.guarded(app);
  return app;
}

function unknownRoute(c: Context): ApiError {
  return new ApiError(404, "not_found_error", `no route ${c.req.method} ${c.req.path}; /openapi.json lists them`, {
    code: "route_not_found",
  });
}

/** Gives each request an id and writes down how it went; never what was asked. */
function measured({ metrics, log }: ServerContext): (c: Context, next: () => Promise<void>) => Promise<void> {
  return async (c, next) => {
    const begun = performance.now();
    const given = c.req.header("x-request-id") ?? "";
    const id = /^[\w.-]{1,64}$/.test(given) ? given : `req_${randomBytes(8).toString("hex")}`;
    await next();
    const { error } = c;
    const isOurs = error !== undefined && apiErrorOf(error).status >= 500;
    if (isOurs) log.error({ id, err: (error instanceof ApiError && error.cause) || error }, "request failed");
    c.res.headers.set("x-request-id", id);
    c.res.headers.set("x-content-type-options", "nosniff");
    const { status } = c.res;
    const { method } = c.req;
    const handler = status === 404 && c.req.routePath === "/*" ? "none" : c.req.routePath;
    const seconds = (performance.now() - begun) / 1000;
    metrics.http(handler, method, status, seconds);
    const level = status === clientClosed || status < 500 ? "info" : "warn";
    log[level]({ id, method, path: c.req.path, status, ms: Math.round(seconds * 1e4) / 10 }, "request");
  };
}

/**
 * A page of another origin may only call if it was named: a browser sends simple posts without asking first, also to a server that listens
 * to this machine alone.
 */
function sameOrigin(allowed: readonly string[]): (c: Context, next: () => Promise<void>) => Promise<void> {
  return async (c, next) => {
    const origin = c.req.header("origin");
    const host = c.req.header("host");
    const isOwn = origin === undefined || (URL.canParse(origin) && new URL(origin).host === host);
    if (!isOwn && !allowed.includes("*") && !allowed.includes(origin)) {
      throw new ApiError(403, "invalid_request_error", `pages of ${origin.slice(0, 200)} may not call this server`, {
        code: "origin_not_allowed",
      });
    }
    await next();
  };
}
