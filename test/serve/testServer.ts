/** A server around a scripted model: in process, without a port, or behind one. */
import type { Hono } from "hono";
import pino from "pino";
import { createApp } from "../../src/serve/app.js";
import { createContext, FathomServer, type ServerOptions } from "../../src/serve/server.js";
import type { ServerContext } from "../../src/serve/serverContext.js";
import { defaultSettings, type ServerSettings } from "../../src/serve/settings.js";
import { type Script, ScriptedModel } from "./scriptedModel.js";

/** A directory that looks like a model's: nothing is read but whether there is a config.json. */
export const anyModel = new URL("./model", import.meta.url).pathname;

export interface TestApp {
  readonly app: Hono;
  readonly model: ScriptedModel;
  readonly context: ServerContext;
  /** Posts JSON, or text as it is. */
  readonly post: (path: string, body: unknown, headers?: Record<string, string>) => Promise<Response>;
  readonly get: (path: string, headers?: Record<string, string>) => Promise<Response>;
}

function optionsOf(model: ScriptedModel, settings: Partial<ServerSettings>): ServerOptions {
  return {
    settings: { ...defaultSettings, port: 0, reloadMs: 0, ...settings },
    models: [{ id: "scripted", path: anyModel }],
    open: async () => model,
    log: pino({ level: "silent" }),
    version: "0.0.0",
  };
}

export async function testApp(script: Script, settings: Partial<ServerSettings> = {}): Promise<TestApp> {
  const model = new ScriptedModel(script);
  const context = createContext(optionsOf(model, settings));
  await context.models.open();
  const app = createApp(context);
  return {
    app,
    model,
    context,
    post: async (path, body, headers = {}) =>
      app.request(path, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: typeof body === "string" ? body : JSON.stringify(body),
      }),
    get: async (path, headers = {}) => app.request(path, { headers }),
  };
}

export interface TestServer {
  readonly server: FathomServer;
  readonly model: ScriptedModel;
  readonly url: string;
}

export async function testServer(script: Script, settings: Partial<ServerSettings> = {}): Promise<TestServer> {
  const model = new ScriptedModel(script);
  const server = await FathomServer.start(optionsOf(model, settings));
  return { server, model, url: server.url };
}

/** The data of a stream of events, `[DONE]` included, and how many comments there were. */
export function readEvents(text: string): { readonly data: unknown[]; readonly comments: number } {
  const blocks = text.split("\n\n").filter((block) => block !== "");
  const data = blocks.filter((block) => block.startsWith("data: ")).map((block) => block.slice(6));
  return {
    data: data.map((each) => (each === "[DONE]" ? each : JSON.parse(each))),
    comments: blocks.filter((block) => block.startsWith(":")).length,
  };
}
