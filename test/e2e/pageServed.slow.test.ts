/**
 * The web page against `fathom serve` and its engine: a model of 50,000 parameters is trained for some steps, served, and asked in a browser
 * without a window; another run grows meanwhile. Needs chromium (or chromium-browser, google-chrome) on the PATH.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { buildPage, launchBrowser, openPage } from "./browser.js";
import { fathomJson, start } from "./command.js";
import { lastStep, type Workplace, workplace } from "./runs.js";
import { type Served, serve } from "./served.js";

let place: Workplace;
let browser: Browser;
let served: Served;
const said: string[] = [];

const runAt = (name: string): string => join(place.folder, "runs", name);

beforeAll(async () => {
  buildPage();
  place = workplace("page-served");
  // More positions than a page of the cache has, so that a prompt can be found there.
  const config = join(place.folder, "config.json");
  const small = JSON.parse(readFileSync(config, "utf8")) as object;
  writeFileSync(config, JSON.stringify({ ...small, max_position_embeddings: 512 }));
  await fathomJson([...place.args, "--out", runAt("small"), "--steps", "20", "--validate-every", "10"]);
  served = await serve([runAt("small")]);
  browser = await launchBrowser();
});

afterAll(async () => {
  await browser?.close();
  place?.remove();
});

afterEach(async () => {
  for (const context of browser.contexts()) await context.close();
  expect(said.splice(0)).toEqual([]);
});

/** The page with the mode that fits a base model, which is known when the model's card has come. */
async function openPlayground(): Promise<Page> {
  const page = await openPage(browser, `${served.url}/`, said);
  await expect.poll(() => page.getByRole("radio", { name: "Completion" }).isChecked()).toBe(true);
  return page;
}

/** A random model ends when it likes; a grammar makes it write on. */
async function writeLetters(page: Page, count: number): Promise<void> {
  await page.getByLabel("Answer in").selectOption("regex");
  await page.getByLabel("Regular expression").fill(`[ab]{${count}}`);
  await page.getByLabel("Max tokens").fill(String(count));
  await page.getByLabel("Max tokens").press("Tab");
}

async function finished(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Regenerate" }).waitFor();
}

/** The one that has just been opened. */
function inspector(page: Page): ReturnType<Page["getByRole"]> {
  return page.getByRole("region", { name: "Token", exact: true });
}

test("a base model is met with a completion, whose tokens open and which takes no more than the model has positions", async () => {
  const page = await openPlayground();
  const prompt = "export const a = 1;\n".repeat(4);
  await page.getByLabel("Text to go on from").fill(prompt);
  await writeLetters(page, 600);
  await page.getByRole("button", { name: "Complete" }).click();
  await finished(page);
  // One token a byte, and one for the start of the document, of 512 positions.
  const figures = (): Promise<string | null> => page.locator(".figures").textContent();
  expect(await figures()).toMatch(/[\d.]+ tokens\/s[\s\S]*to the first token[\s\S]*0 of 81 prompt tokens cached/);
  expect(await figures()).toContain("no positions left");
  expect(await page.locator(".tokens [data-i]").count()).toBe(512 - 81);
  await page.locator(".tokens [data-i='0']").click();
  await inspector(page).waitFor();
  expect(await inspector(page).locator(".bars li").count()).toBeGreaterThanOrEqual(9);
  const shares = await inspector(page).locator(".bar-value").allInnerTexts();
  expect(shares.reduce((sum, share) => sum + Number(share.replace(/[^\d.]/g, "")), 0)).toBeCloseTo(100, -0.5);
  // The first layer is dense; 2 of 4 experts in the other.
  expect(await inspector(page).locator(".experts-layer").allInnerTexts()).toEqual(["layer 1"]);
  expect(await inspector(page).locator(".experts-ids").textContent()).toMatch(/^[0-3] [0-3]$/);
  expect(await inspector(page).textContent()).toMatch(/Written by the model itself|Drafted by MTP, accepted/);
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.getByRole("button", { name: "Copy" }).click();
  await page.getByText("Copied").waitFor();
  expect(await page.evaluate("navigator.clipboard.readText()")).toMatch(/^[ab]{431}$/);
  await page.getByRole("button", { name: "Regenerate" }).click();
  await expect.poll(figures, { timeout: 30_000 }).toContain("64 of 81 prompt tokens cached");
});

test("the settings reach the engine: temperature, seed, stop, format and max tokens", async () => {
  const page = await openPlayground();
  const set = async (label: string, value: string): Promise<void> => {
    await page.getByLabel(label, { exact: true }).fill(value);
    await page.getByLabel(label, { exact: true }).press("Tab");
  };
  const write = async (): Promise<string | null> => {
    await page.getByRole("button", { name: "Complete" }).click();
    await finished(page);
    await page.getByRole("radio", { name: "Text" }).check();
    const text = await page.locator(".written-text mark").textContent();
    await page.getByRole("radio", { name: "Tokens" }).check();
    return text;
  };
  await page.getByLabel("Text to go on from").fill("let x");
  await set("Max tokens", "6");
  await set("Seed", "7");
  await set("Temperature", "2");
  const hot = await write();
  expect(await write()).toBe(hot);
  expect(await page.locator(".figures").textContent()).toContain("6 tokens");
  await set("Temperature", "0");
  expect(await write()).not.toBe(hot);
  await page.getByLabel("Answer in").selectOption("regex");
  await page.getByLabel("Regular expression").fill("[ab]{3}-[cd]{2}");
  expect(await write()).toMatch(/^[ab]{3}-[cd]{2}$/);
  await page.getByLabel("Stop at").fill("-");
  expect(await write()).toMatch(/^[ab]{3}$/);
});

test("a completion is stopped, a chat is asked twice, and a gap is filled", async () => {
  const page = await openPlayground();
  await page.getByLabel("Text to go on from").fill("a");
  await writeLetters(page, 480);
  // The model writes as fast as it likes: over a slow line there is time to stop it.
  const line = await page.context().newCDPSession(page);
  const slow = { offline: false, latency: 0, downloadThroughput: 30_000, uploadThroughput: -1 };
  await line.send("Network.emulateNetworkConditions", slow);
  await page.getByRole("button", { name: "Complete" }).click();
  await page.locator(".tokens [data-i='20']").waitFor();
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByText("stopped", { exact: true }).waitFor();
  await line.send("Network.emulateNetworkConditions", { ...slow, downloadThroughput: -1 });
  expect(await page.locator(".tokens [data-i]").count()).toBeLessThan(480);
  await writeLetters(page, 40);
  await page.getByRole("radio", { name: "Chat" }).check();
  await page.getByText("expect no answers").waitFor();
  await page.getByLabel("Message", { exact: true }).fill("hello");
  await page.keyboard.press("Enter");
  await finished(page);
  expect(await page.locator(".said").textContent()).toContain("hello");
  await page.getByRole("button", { name: "Regenerate" }).click();
  await finished(page);
  await page.getByRole("radio", { name: "Fill in the middle" }).check();
  await page.getByLabel("Before the gap").fill("f(");
  await page.getByLabel("After the gap").fill(")");
  await page.getByRole("button", { name: "Fill in", exact: true }).click();
  await finished(page);
  expect(await page.locator(".written-text").textContent()).toMatch(/^f\([\s\S]*\)$/);
  // Begin, start, two bytes, hole, one byte and end: the same 7 that the page counted.
  expect(await page.locator(".figures").textContent()).toContain("of 7 prompt tokens cached");
});

test("a run is watched while it trains, and the served model is on its card", async () => {
  const running = start([...place.args, "--out", runAt("growing"), "--steps", "100000", "--save-every", "0"]);
  await expect.poll(() => lastStep(runAt("growing")), { timeout: 60_000 }).toBeGreaterThan(1);
  const page = await openPage(browser, `${served.url}/#runs/growing`, said);
  await page.getByText("following").waitFor();
  const curve = page.getByRole("img", { name: /^Training loss/ });
  const first = await curve.getAttribute("aria-label");
  await expect.poll(() => curve.getAttribute("aria-label"), { timeout: 60_000 }).not.toBe(first);
  expect(await page.getByRole("link").allInnerTexts()).toEqual(expect.arrayContaining(["small", "growing"]));
  running.child.kill("SIGTERM");
  await running.done;
  await page.getByRole("link", { name: "Model" }).click();
  await page.getByRole("heading", { name: "Architecture" }).waitFor();
  expect(await page.locator("main").textContent()).toContain("small");
});
