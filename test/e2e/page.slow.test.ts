/**
 * The web page as a reader uses it: built, served with its policy, opened in a browser without a window, against a run that grows on disk and a
 * scripted stream, for what no model writes on demand: hostile text, a slow answer, chosen figures. pageServed.slow.test.ts has the real one.
 */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ServerType, serve } from "@hono/node-server";
import { Hono } from "hono";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { loadPreset } from "../../src/model/presets.js";
import { addPage, builtWebFolder } from "../../src/serve/pageRoutes.js";
import { buildPage, launchBrowser, openPage } from "./browser.js";
import { type StandIn, standIn } from "./modelStandIn.js";

/** Would take the page over, were it not shown as text; then Markdown, and enough words to be stopped in. */
const hostile = `<img src="/nowhere" onerror="document.title='taken'"><script>document.title='taken'</script>`;
const text = `${hostile}\n\nThe **latent** is kept:\n\n- one vector\n- one key\n\n${"and so on it goes ".repeat(60)}end`;

let folder = "";
let browser: Browser;
let server: ServerType;
let base = "";
let model: StandIn;
let guarded: { readonly server: ServerType; readonly base: string };
const said: string[] = [];

async function start(key: string | null): Promise<{ server: ServerType; base: string; model: StandIn }> {
  const app = new Hono();
  const shape = { moeLayers: 3, experts: 16, expertsPerToken: 4 };
  const stand = standIn(app, { models: ["quickstart"], text, tokenMs: 4, ...shape, key });
  const info = {
    config: loadPreset("tiny"),
    weights: "bfloat16",
    cache: "bfloat16",
    maxPositions: 256,
    isForChats: true,
  };
  addPage(app, { models: () => info, runsFolder: join(folder, "runs"), webFolder: builtWebFolder() });
  const started = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" });
  await new Promise((resolve) => started.once("listening", resolve));
  return { server: started, base: `http://127.0.0.1:${(started.address() as AddressInfo).port}/`, model: stand };
}

function step(index: number): string {
  const layers = [1, 2].map((layer) => ({ layer, counts: [index, 2, 3, 4], maxVio: 0.5 }));
  const common = { stage: "pretrain", step: index, tokens: 100 * index };
  const losses = { loss: 8 / index, mtpLosses: [9 / index], mtpAccuracy: [0.1], learningRate: 1e-3, gradNorm: 1 };
  return `${JSON.stringify({ kind: "step", ...common, totalTokens: 5000, ...losses, tokensPerSecond: 1000, layers })}\n`;
}

function writeRun(name: string, steps: number): void {
  mkdirSync(join(folder, "runs", name), { recursive: true });
  const sample = {
    kind: "sample",
    stage: "pretrain",
    step: steps,
    prompt: "Once ",
    suffix: null,
    text: hostile,
    truth: "upon",
  };
  const validation = {
    kind: "validation",
    stage: "pretrain",
    step: steps,
    tokens: 100 * steps,
    valLoss: 2,
    valBitsPerByte: 1.25,
  };
  const lines = Array.from({ length: steps }, (_, i) => step(i + 1));
  const others = [validation, sample].map((event) => `${JSON.stringify(event)}\n`);
  writeFileSync(join(folder, "runs", name, "metrics.jsonl"), lines.concat(others).join(""));
}

beforeAll(async () => {
  buildPage();
  folder = mkdtempSync(join(tmpdir(), "fathom-page-"));
  writeRun("first", 20);
  writeRun("second", 10);
  ({ server, base, model } = await start(null));
  guarded = await start("secret-key");
  browser = await launchBrowser();
});

afterAll(async () => {
  await browser?.close();
  for (const one of [server, guarded?.server]) one?.close();
  rmSync(folder, { recursive: true, force: true });
});

afterEach(async () => {
  for (const context of browser.contexts()) await context.close();
  expect(said.splice(0)).toEqual([]);
});

/** A fresh page; whatever its console says fails the test. */
const open = (address: string, width?: number): Promise<Page> => openPage(browser, address, said, width);

/** Run in the page. */
const nameOfFocus = `(() => {
  const element = document.activeElement;
  if (element.hasAttribute("data-i")) return "a token";
  return (element.getAttribute("aria-label") ?? element.labels?.[0]?.textContent ?? element.textContent).trim();
})()`;

async function send(page: Page, message: string): Promise<void> {
  await page.getByLabel("Message", { exact: true }).fill(message);
  await page.keyboard.press("Enter");
}

test("a message is answered token by token, stopped, and asked again", async () => {
  const page = await open(base);
  await send(page, "hello");
  await page.locator(".tokens [data-i='20']").waitFor();
  const { numAborted } = model;
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByText("stopped", { exact: true }).waitFor();
  await expect.poll(() => model.numAborted).toBe(numAborted + 1);
  const numTokens = await page.locator(".tokens [data-i]").count();
  expect(numTokens).toBeGreaterThan(20);
  await page.getByLabel("Max tokens").fill("30");
  await page.getByLabel("Max tokens").press("Enter");
  await page.getByRole("button", { name: "Regenerate" }).click();
  await page.getByText("cut at max tokens").waitFor();
  expect(await page.locator(".tokens [data-i]").count()).toBe(30);
  expect(await page.locator(".figures").textContent()).toMatch(
    /118\.4 tokens\/s[\s\S]*to the first token[\s\S]*32 of 48 prompt tokens cached/,
  );
  expect(model.requests.at(-1)).toMatchObject({
    messages: [{ role: "user", content: "hello" }],
    ...{
      max_tokens: 30,
      temperature: 0.7,
      stream: true,
      fathom: { trace: true, top: 8 },
      stream_options: { include_usage: true },
    },
  });
  expect(await page.getByTestId("announcer").textContent()).toContain("Finished.");
});

test("what the model writes is text, in tokens and as Markdown", async () => {
  const page = await open(base);
  await send(page, "hello");
  await page.getByRole("button", { name: "Regenerate" }).waitFor();
  expect(await page.locator(".tokens").textContent()).toContain("<script>");
  await page.getByRole("radio", { name: "Text", exact: true }).check();
  expect(await page.locator(".markdown").textContent()).toContain(hostile);
  expect(await page.locator(".markdown li").allInnerTexts()).toEqual(["one vector", "one key"]);
  expect(await page.locator(".markdown strong").textContent()).toBe("latent");
  expect([await page.locator("main img, main script").count(), await page.title()]).toEqual([0, "Playground · Fathom"]);
});

test("a token opens by click and by Enter, tells of itself, and gives the focus back", async () => {
  const page = await open(base);
  await send(page, "hello");
  await page.getByRole("button", { name: "Regenerate" }).waitFor();
  await page.locator(".tokens [data-i='12']").click();
  const inspector = page.getByRole("region", { name: "Token", exact: true });
  expect(await inspector.textContent()).toMatch(/Token 13 of \d+[\s\S]*Drafted by MTP, accepted/);
  expect(await inspector.locator(".bars li").count()).toBeGreaterThan(5);
  const shares = await inspector.locator(".bar-value").allInnerTexts();
  expect(shares.reduce((sum, share) => sum + Number(share.replace(/[^\d.]/g, "")), 0)).toBeCloseTo(100, -0.5);
  // The first layer of the tiny preset is dense.
  expect(await inspector.locator(".experts-layer").allInnerTexts()).toEqual(["layer 1", "layer 2", "layer 3"]);
  await page.keyboard.press("ArrowRight");
  await expect.poll(() => inspector.textContent()).toMatch(/Token 14 of \d+[\s\S]*Written by the model itself/);
  await page.keyboard.press("Escape");
  await expect.poll(() => inspector.count()).toBe(0);
  const focused = (): Promise<string | null> => page.evaluate("document.activeElement.getAttribute('data-i')");
  expect(await focused()).toBe("13");
  await page.keyboard.press("ArrowLeft");
  expect(await focused()).toBe("12");
  await page.keyboard.press("Enter");
  await expect.poll(() => inspector.textContent()).toContain("Token 13");
});

test("the keyboard passes from the tabs over the modes to the message, and through the tokens in one stop", async () => {
  const page = await open(base);
  await send(page, "hello");
  await page.getByRole("button", { name: "Regenerate" }).waitFor();
  await page.getByRole("button", { name: "Skip to the content" }).focus();
  const names: string[] = [];
  for (let i = 0; i < 13; i++) {
    names.push(await page.evaluate<string>(nameOfFocus));
    await page.keyboard.press("Tab");
  }
  expect(names).toEqual([
    ...["Skip to the content", "Fathom", "Playground", "Runs", "Model", "Colours: system", "Chat", "Tokens"],
    ...["a token", "Regenerate", "Copy", "Message", "New conversation"],
  ]);
});

test("completion and fill in the middle ask for what they say, and keep what was written", async () => {
  const page = await open(base);
  await page.getByLabel("Max tokens").fill("8");
  await page.getByLabel("Max tokens").press("Enter");
  await page.getByRole("radio", { name: "Fill in the middle" }).check();
  await page.getByLabel("Before the gap").fill("f(");
  await page.getByLabel("After the gap").fill(")");
  await page.keyboard.press("Control+Enter");
  await page.getByRole("button", { name: "Regenerate" }).waitFor();
  expect(model.requests.at(-1)).toMatchObject({ prompt: "f(", suffix: ")", max_tokens: 8 });
  expect(await page.locator(".written-text").textContent()).toMatch(/^f\(<img[\s\S]*\)$/);
  await page.getByRole("radio", { name: "Completion" }).check();
  await page.getByLabel("Text to go on from").fill("Once ");
  await page.getByRole("button", { name: "Complete" }).click();
  await page.getByRole("button", { name: "Keep" }).click();
  await expect.poll(() => page.getByLabel("Text to go on from").inputValue()).toContain("Once <img");
});

test("every option is asked for as it is set, by keyboard, and the conversation goes on with the answer that is shown", async () => {
  const page = await open(base, 360);
  // Folded where there is no room.
  await page.getByText("Settings", { exact: true }).click();
  const summary = page.locator("summary", { hasText: "More options" });
  await summary.focus();
  await page.keyboard.press("Enter");
  const typed: readonly (readonly [label: RegExp | string, text: string])[] = [
    ["Answers", "3"],
    ["Min tokens", "2"],
    ["Alternatives", "4"],
    [/^Stop tokens/, "1, 13"],
    [/^Logit bias/, "42: -100"],
    ["Priority", "-5"],
    [/^Cache salt/, "mine"],
  ];
  const names: string[] = [];
  for (const [label, value] of typed) {
    for (let i = 0; i < 3; i++) {
      await page.keyboard.press("Tab");
      const name = await page.evaluate<string>(nameOfFocus);
      names.push(name);
      if (name.startsWith("Write on")) await page.keyboard.press("Space");
      else break;
    }
    expect(names.at(-1)).toMatch(label);
    await page.keyboard.press("Control+a");
    await page.keyboard.type(value);
  }
  expect(names).toHaveLength(8);
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(360);
  await page.getByLabel("Max tokens").fill("6");
  await send(page, "hello");
  await page.getByRole("button", { name: "Regenerate" }).waitFor();
  expect(model.requests.at(-1)).toMatchObject({
    ...{ n: 3, min_tokens: 2, ignore_eos: true, stop_token_ids: [1, 13], logit_bias: { 42: -100 }, priority: -5 },
    ...{ cache_salt: "mine", top_logprobs: 4, fathom: { trace: true, top: 4 }, max_tokens: 6 },
  });
  const tokens = page.locator(".tokens");
  expect(await tokens.textContent()).toMatch(/^<img/);
  expect(await page.getByRole("button", { name: "Answer before" }).isDisabled()).toBe(true);
  await page.getByRole("button", { name: "Answer after" }).click();
  await page.getByText("2 of 3", { exact: true }).waitFor();
  expect(await tokens.textContent()).toMatch(/^img/);
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(360);
  await send(page, "and?");
  await expect
    .poll(() => model.requests.at(-1)?.messages)
    .toMatchObject([
      { content: "hello" },
      { role: "assistant", content: expect.stringMatching(/^img/) },
      { content: "and?" },
    ]);
});

test("a refusal is shown in the server's words", async () => {
  const page = await open(base);
  await send(page, "refuse me");
  await page.getByText("the prompt is refused").waitFor();
  // The browser itself writes every answer of 400 into the console.
  expect(said.splice(0).every((line) => line.includes("400"))).toBe(true);
});

test("a server with keys is asked with the key that the reader gives, which the tab keeps", async () => {
  const page = await open(guarded.base);
  await page.getByRole("textbox", { name: "API key" }).fill("secret-key");
  await page.getByRole("button", { name: "Use it" }).click();
  await page.getByText("quickstart", { exact: true }).first().waitFor();
  await page.goto(`${guarded.base}#runs`);
  await page.getByRole("link", { name: "first" }).waitFor();
  expect(await page.evaluate("Object.keys(localStorage).filter((name) => name.includes('key'))")).toEqual([]);
  expect(said.splice(0).every((line) => line.includes("401"))).toBe(true);
});

test("a run is drawn, followed while it grows, and compared", async () => {
  const page = await open(`${base}#runs/first`);
  await page.getByText("following").waitFor();
  const losses = page.getByRole("img", { name: /^Training loss/ });
  expect(await losses.getAttribute("aria-label")).toBe(
    "Training loss, nats per token: next token from 8.000 to 0.400; MTP depth 1 from 9.000 to 0.450",
  );
  expect(await page.locator("canvas[aria-label^='Layer 1: load of 4 experts']").count()).toBe(1);
  expect(await page.locator(".sample mark").textContent()).toBe(hostile);
  appendFileSync(
    join(folder, "runs", "first", "metrics.jsonl"),
    Array.from({ length: 20 }, (_, i) => step(21 + i)).join(""),
  );
  await expect.poll(() => losses.getAttribute("aria-label")).toContain("next token from 8.000 to 0.200");
  await page.getByText("loss 0.200, gradient norm").waitFor();
  await page.getByLabel("Compare second").check();
  await page.getByRole("heading", { name: "2 runs" }).waitFor();
  await expect
    .poll(() => losses.getAttribute("aria-label"))
    .toBe("Training loss, next token, nats: first from 8.000 to 0.200; second from 8.000 to 0.800");
});

test("the model's card names its sizes", async () => {
  const page = await open(`${base}#model`);
  await page.getByRole("heading", { name: "Architecture" }).waitFor();
  const words = await page.locator("main").textContent();
  for (const part of ["Multi-head latent attention", "Mixture of experts", "MoE block × 3", "GQA", "MHA"])
    expect(words).toContain(part);
});

test.each(["", "#runs/first", "#model"])("nothing is wider than a screen of 360 pixels at /%s", async (hash) => {
  const page = await open(`${base}${hash}`, 360);
  await page.waitForTimeout(500);
  if (hash === "") {
    await send(page, "hello");
    await page.locator(".tokens [data-i='20']").click();
  }
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(360);
});
