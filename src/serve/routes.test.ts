import pino from "pino";
import { expect, test } from "vitest";
import { ScriptedModel } from "../../test/serve/scriptedModel.js";
import { anyModel, testApp, testServer } from "../../test/serve/testServer.js";
import { createApp } from "./app.js";
import { createContext } from "./server.js";
import { defaultSettings } from "./settings.js";

test("tokens and texts go both ways, in the forms of vLLM and of llama.cpp", async () => {
  const { post, model } = await testApp({ write: () => "" });
  const plain = Array.from(model.tokenizer.encode("ab"));
  const json = async (path: string, body: object): Promise<unknown> => (await post(path, body)).json();
  const bos = model.tokenizer.bosTokenId;
  expect(await json("/tokenize", { prompt: "ab" })).toMatchObject({
    count: 3,
    max_model_len: 4096,
    tokens: [bos, ...plain],
  });
  expect(await json("/tokenize", { prompt: "ab", add_special_tokens: false, return_token_strs: true })).toEqual({
    count: 2,
    max_model_len: 4096,
    tokens: plain,
    token_strs: ["a", "b"],
  });
  expect(await json("/tokenize", { content: "ab" })).toEqual({ tokens: plain });
  expect(await json("/tokenize", { messages: [{ role: "user", content: "a" }] })).toMatchObject({ count: 4 });
  expect(await json("/detokenize", { tokens: plain })).toEqual({ prompt: "ab", content: "ab" });
  expect(await json("/detokenize", { tokens: [9999] })).toMatchObject({ error: { param: "tokens" } });
  expect(await json("/tokenize", {})).toMatchObject({ error: { param: "prompt" } });
  expect(await json("/apply-template", { messages: [{ role: "user", content: "a" }] })).toEqual({
    prompt: "<\uff5cbegin\u2581of\u2581sentence\uff5c><\uff5cUser\uff5c>a<\uff5cAssistant\uff5c>",
  });
});

test("of two models each answers under its name, and the first where none is named", async () => {
  const models = [
    { id: "one", path: anyModel },
    { id: "two", path: `${anyModel}/.` },
  ];
  const context = createContext({
    settings: { ...defaultSettings, port: 0, reloadMs: 0 },
    models,
    open: async (directory) => new ScriptedModel({ write: () => (directory.endsWith(".") ? "2" : "1") }, directory),
    log: pino({ level: "silent" }),
    version: "0.0.0",
  });
  await context.models.open();
  const app = createApp(context);
  const { data } = (await (await app.request("/v1/models")).json()) as { data: { id: string }[] };
  expect(data.map(({ id }) => id)).toEqual(["one", "two"]);
  const ask = async (model?: string): Promise<[number, unknown]> => {
    const body = JSON.stringify({ model, messages: [{ role: "user", content: "Hi" }] });
    const headers = { "content-type": "application/json" };
    const answer = await app.request("/v1/chat/completions", { method: "POST", headers, body });
    const { model: named, choices } = (await answer.json()) as { model?: string; choices?: object[] };
    return [answer.status, [named, choices?.[0]]];
  };
  for (const [model, id, content] of [
    ["one", "one", "1"],
    ["two", "two", "2"],
    [undefined, "one", "1"],
  ] as const) {
    expect(await ask(model)).toEqual([
      200,
      [id, expect.objectContaining({ message: expect.objectContaining({ content }) })],
    ]);
  }
  expect((await ask("three"))[0]).toBe(404);
});

test("models are listed and found by name", async () => {
  const { get } = await testApp({ write: () => "" });
  for (const path of ["/v1/models", "/models"]) {
    expect(await (await get(path)).json()).toMatchObject({
      object: "list",
      data: [{ id: "scripted", object: "model" }],
    });
  }
  expect(await (await get("/v1/models/scripted")).json()).toMatchObject({ id: "scripted", max_model_len: 4096 });
  const missing = await get("/v1/models/org/other");
  expect(missing.status).toBe(404);
  expect(await missing.json()).toMatchObject({ error: { code: "model_not_found", param: "model" } });
});

test("a server tells whether it lives, is ready, and what it is", async () => {
  const { get, context } = await testApp({ write: () => "" });
  for (const path of ["/health", "/v1/health", "/ready", "/readyz", "/livez", "/ping", "/version", "/props"]) {
    expect((await get(path)).status, path).toBe(200);
  }
  expect(await (await get("/props")).json()).toMatchObject({
    models: [{ id: "scripted", engine: { preemptions: 2 } }],
  });
  context.shutdown.drain();
  expect((await get("/livez")).status).toBe(200);
  for (const path of ["/health", "/readyz"]) expect((await get(path)).status).toBe(503);
});

test("routes and bodies that are none get JSON errors", async () => {
  const { post, get, app } = await testApp({ write: () => "" }, { maxBodyBytes: 2000 });
  const chat = "/v1/chat/completions";
  const error = async (response: Response): Promise<[number, unknown]> => {
    const body = (await response.json()) as { error: { code: string } };
    return [response.status, body.error.code];
  };
  expect(await error(await get("/nowhere"))).toEqual([404, "route_not_found"]);
  expect(await error(await get(chat))).toEqual([404, "route_not_found"]);
  expect(await error(await post(chat, ""))).toEqual([400, "invalid_json"]);
  expect(await error(await post(chat, "{"))).toEqual([400, "invalid_json"]);
  expect(await error(await post(chat, "[".repeat(200)))).toEqual([400, "invalid_json"]);
  expect(await error(await post(chat, `"${"x".repeat(3000)}"`))).toEqual([413, "body_too_large"]);
  expect(await error(await post(chat, "null"))).toEqual([400, null]);
  const invalid = await app.request(chat, { method: "POST", body: new Uint8Array([0x7b, 0xff, 0x7d]) });
  expect(await error(invalid)).toEqual([400, "invalid_encoding"]);
  const strict = await testApp({ write: () => "" }, { schemaErrorStatus: 422 });
  expect((await strict.post(chat, { messages: 1 })).status).toBe(422);
});

test("with keys every route but health asks for one, and any of them will do", async () => {
  const { get, post } = await testApp({ write: () => "a" }, { apiKeys: ["first-key-1", "second-key"] });
  expect((await get("/health")).status).toBe(200);
  expect((await get("/livez")).status).toBe(200);
  for (const path of ["/v1/models", "/metrics", "/openapi.json", "/props", "/nowhere"]) {
    const response = await get(path);
    expect(response.status, path).toBe(401);
    expect(await response.json()).toMatchObject({ error: { type: "authentication_error", code: "invalid_api_key" } });
    expect((await get(path, { authorization: "Bearer wrong" })).status).toBe(401);
  }
  for (const key of ["first-key-1", "second-key"]) {
    const headers = { authorization: `Bearer ${key}` };
    expect((await get("/v1/models", headers)).status).toBe(200);
    expect((await post("/v1/completions", { prompt: "a" }, headers)).status).toBe(200);
  }
});

test("pages of other origins may call only if they are named", async () => {
  const closed = await testApp({ write: () => "a" });
  const call = { origin: "https://page.example", host: "127.0.0.1:8000" };
  expect((await closed.get("/v1/models", call)).status).toBe(403);
  expect((await closed.get("/v1/models", { origin: "http://127.0.0.1:8000", host: "127.0.0.1:8000" })).status).toBe(
    200,
  );
  const open = await testApp({ write: () => "a" }, { corsOrigins: ["https://page.example"], apiKeys: ["a-long-key"] });
  const allowed = await open.get("/v1/models", { ...call, authorization: "Bearer a-long-key" });
  expect(allowed.status).toBe(200);
  expect(allowed.headers.get("access-control-allow-origin")).toBe("https://page.example");
  const preflight = await open.app.request("/v1/models", {
    method: "OPTIONS",
    headers: { ...call, "access-control-request-method": "POST" },
  });
  expect(preflight.status).toBe(204);
});

test("metrics have own names, or those of other servers", async () => {
  const own = await testApp({ write: () => "abc" });
  await own.post("/v1/completions", { prompt: "a" });
  const response = await own.get("/metrics");
  expect(response.headers.get("content-type")).toContain("text/plain; version=0.0.4");
  const text = await response.text();
  expect(text).toContain('fathom_prompt_tokens_total{model="scripted"} 2');
  expect(text).toContain('fathom_generation_tokens_total{model="scripted"} 3');
  expect(text).toContain('fathom_spec_decode_num_accepted_tokens_per_pos_total{position="1",model="scripted"} 5');
  expect(text).toContain('fathom_completions_finished_total{finished_reason="stop",model="scripted"} 1');
  expect(text).toContain('fathom_expert_load_max_over_mean{layer="1",model="scripted"} 1.5');
  expect(text).toContain('fathom_http_requests_total{handler="/v1/completions",method="POST",status="200"} 1');
  expect(text).toContain('fathom_time_to_first_token_seconds_count{model="scripted"} 1');
  expect(text).toContain("fathom_event_loop_lag_seconds");
  expect(await (await own.get("/metrics")).text()).toContain('fathom_generation_tokens_total{model="scripted"} 3');
  const names = {
    vllm: ["vllm:num_requests_running", "vllm:kv_cache_usage_perc", "vllm:time_to_first_token_seconds_bucket"],
    sglang: ["sglang:num_running_reqs", "sglang:cache_hit_rate", "sglang:time_per_output_token_seconds_bucket"],
    llamacpp: ["llamacpp:tokens_predicted_total", "llamacpp:requests_deferred", "llamacpp:n_decode_total"],
  } as const;
  for (const metricsNames of ["vllm", "sglang", "llamacpp"] as const) {
    const { get, post } = await testApp({ write: () => "ab" }, { metricsNames });
    await post("/v1/completions", { prompt: "a" });
    const renamed = await (await get("/metrics")).text();
    for (const name of names[metricsNames]) expect(renamed).toContain(`${name}{`);
  }
});

test("the description of the API comes from the schemas", async () => {
  const { get } = await testApp({ write: () => "" });
  const api = (await (await get("/openapi.json")).json()) as {
    openapi: string;
    paths: Record<string, { post?: { requestBody: { content: Record<string, { schema: { properties: object } }> } } }>;
  };
  expect(api.openapi).toBe("3.1.0");
  const schemaOf = (path: string): object =>
    api.paths[path]!.post!.requestBody.content["application/json"]!.schema.properties;
  expect(schemaOf("/v1/chat/completions")).toHaveProperty("tool_choice");
  expect(schemaOf("/v1/completions")).toMatchObject({ logprobs: { anyOf: [{ maximum: 20, minimum: 0 }, {}] } });
});

test("while a model is being opened the server answers 503, and then serves", async () => {
  const { context, app } = await testApp({ write: () => "a" });
  expect(context.models.isReady).toBe(true);
  const { createContext } = await import("./server.js");
  const { createApp } = await import("./app.js");
  const loading = createContext({
    settings: context.settings,
    models: [{ id: "m", path: "none" }],
    open: async () => new Promise(() => {}),
    log: context.log,
    version: "0",
  });
  const early = createApp(loading);
  const response = await early.request("/v1/completions", { method: "POST", body: '{"prompt": "a"}' });
  expect(response.status).toBe(503);
  expect(response.headers.get("retry-after")).toBe("2");
  expect((await early.request("/health")).status).toBe(503);
  expect((await early.request("/livez")).status).toBe(200);
  expect((await app.request("/health")).status).toBe(200);
});

test("too many completions are sent away with 429, and taken again once there is room", async () => {
  const { server, url, model } = await testServer({ write: () => "abc", stepMs: 20 }, { maxInFlight: 4 });
  try {
    const send = (): Promise<Response> =>
      fetch(`${url}/v1/completions`, { method: "POST", body: JSON.stringify({ prompt: "a", n: 2 }) });
    const responses = await Promise.all(Array.from({ length: 10 }, send));
    expect(responses.filter(({ status }) => status === 200)).toHaveLength(2);
    const refused = responses.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(8);
    expect(Number(refused[0]?.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(model.mostRunning).toBe(2);
    expect((await send()).status).toBe(200);
    const huge = await fetch(`${url}/v1/completions`, { method: "POST", body: '{"prompt": "a", "n": 5}' });
    expect(huge.status).toBe(400);
  } finally {
    await server.drain();
  }
  expect(model.isClosed).toBe(true);
});
