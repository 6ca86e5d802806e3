/**
 * The report as a reader sees it: a run is trained through the command line, its report written by `fathom report` and opened from its file
 * in a browser without a window. Needs chromium (or chromium-browser, google-chrome) on the PATH.
 */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { corpus, fathom, fathomJson, smallConfig, vocabSize } from "./command.js";

const steps = 40;
/** A sample that would take the page over, were it not shown as text. */
const hostile = `</pre></script><img src="http://127.0.0.1:9/x" onerror="document.title='taken'"><script>document.title='taken'</script>`;

let folder = "";
let run = "";
let reportPath = "";
let browser: Browser;

function findBrowser(): string {
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    for (const place of (process.env.PATH ?? "").split(delimiter)) {
      if (place !== "" && existsSync(join(place, name))) return join(place, name);
    }
  }
  throw new Error("no chromium, chromium-browser or google-chrome on the PATH; install one: apt-get install chromium");
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fathom-report-"));
  run = join(folder, "run");
  const config = join(folder, "config.json");
  writeFileSync(config, JSON.stringify({ ...smallConfig, vocab_size: vocabSize }));
  await fathomJson(
    ["pretrain", "--config", config, "--data", corpus, "--out", run, "--steps", String(steps), "--batch", "4"].concat([
      "--validate-every",
      "10",
      "--save-every",
      "0",
      "--seed",
      "3",
      "--samples",
      "2",
      "--threads",
      "2",
    ]),
  );
  appendFileSync(
    join(run, "metrics.jsonl"),
    `${JSON.stringify({ kind: "sample", stage: "pretrain", step: steps, prompt: hostile, suffix: hostile, text: hostile, truth: hostile })}\n`,
  );
  ({ report: reportPath } = (await fathomJson(["report", run])) as unknown as { report: string });
  browser = await chromium.launch({ executablePath: findBrowser(), args: ["--no-sandbox"] });
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Opens a file, collecting everything that goes wrong and every address that is asked for. */
async function open(
  path: string,
  width: number,
  colorScheme: "light" | "dark",
): Promise<{ readonly page: Page; readonly wrong: string[]; readonly asked: string[] }> {
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
  const wrong: string[] = [];
  const asked: string[] = [];
  page.on("console", (message) => wrong.push(`console ${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => wrong.push(`page: ${error.message}`));
  page.on("requestfailed", (request) => wrong.push(`request: ${request.url()}`));
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(pathToFileURL(path).href, { waitUntil: "load" });
  return { page, wrong, asked };
}

const titles = ["Bits per byte", "Training loss", "MaxVio", "MTP accuracy", "Learning rate", "Gradient norm", "Speed"];

test.each([
  [1200, "light"],
  [1200, "dark"],
  [420, "light"],
  [420, "dark"],
] as const)("the report opens without an error and fits a window of %i pixels, %s", async (width, scheme) => {
  const { page, wrong, asked } = await open(reportPath, width, scheme);
  expect(wrong).toEqual([]);
  expect(asked.filter((url) => url !== "data:,")).toEqual([pathToFileURL(reportPath).href]);
  // In the page's own words, for this side knows no DOM.
  const seen = (await page.evaluate(`({
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    outside: [...document.querySelectorAll("main *:not(svg *)")].filter((e) => e.getBoundingClientRect().right > innerWidth).map((e) => e.tagName),
    background: getComputedStyle(document.body).backgroundColor,
    cropped: [...document.querySelectorAll("svg")].flatMap((svg) => {
      const frame = svg.parentElement.getBoundingClientRect();
      return [...svg.querySelectorAll("text")].filter((text) => {
        const box = text.getBoundingClientRect();
        return box.width > 0 && (box.left < frame.left || box.right > frame.right);
      }).map((text) => text.textContent);
    }),
    smallest: Math.min(...[...document.querySelectorAll("svg text")].filter((text) => text.getBoundingClientRect().width > 0)
      .map((text) => parseFloat(getComputedStyle(text).fontSize) * text.ownerSVGElement.getScreenCTM().a)),
  })`)) as {
    readonly overflow: number;
    readonly outside: readonly string[];
    readonly background: string;
    readonly cropped: readonly string[];
    readonly smallest: number;
  };
  expect(seen.overflow).toBe(0);
  expect(seen.outside).toEqual([]);
  expect(seen.cropped).toEqual([]);
  expect(seen.smallest).toBeGreaterThan(10); // Pixels: labels stay readable when the charts shrink.
  const brightness = (seen.background.match(/\d+/g) ?? []).map(Number).reduce((sum, part) => sum + part, 0) / 3;
  if (scheme === "light") expect(brightness).toBeGreaterThan(200);
  else expect(brightness).toBeLessThan(60);
  await page.close();
});

test("headings and every chart are there, and the charts have names and curves of every step", async () => {
  const { page } = await open(reportPath, 1200, "light");
  expect(await page.locator("h1").textContent()).toBe(`Fathom: ${run}`);
  expect(await page.locator("h2").allTextContents()).toEqual(["Learning", "Load of every expert", "What it writes"]);
  for (const title of titles) {
    const picture = page.getByRole("img", { name: `${title}, ` });
    expect(await picture.count(), title).toBe(1);
    expect(await picture.isVisible(), title).toBe(true);
  }
  const names = await Promise.all(
    (await page.locator("svg").all()).map((picture) => picture.getAttribute("aria-label")),
  );
  for (const name of names) expect(name).toMatch(/\d/);
  // Four validations and one at the end is the last of them: a dot each.
  expect(await page.getByRole("img", { name: "Bits per byte" }).locator("circle").count()).toBe(steps / 10);
  expect(await page.getByRole("img", { name: "Training loss" }).locator("path").count()).toBe(2);
  // One layer of experts and the MTP module's; four experts at every step.
  expect(await page.locator("svg.heat").count()).toBe(2);
  expect(await page.locator("svg.heat").first().locator("rect").count()).toBe(4 * steps);
  await page.close();
});

test("a hostile sample is shown as the text that it is", async () => {
  const { page, wrong } = await open(reportPath, 1200, "light");
  expect(wrong).toEqual([]);
  expect(await page.title()).toBe(`Fathom: ${run}`);
  expect(await page.locator("img, script").count()).toBe(0);
  expect(await page.locator("article").last().locator("mark").textContent()).toBe(hostile);
  expect(await page.locator("article").last().locator("ins").textContent()).toBe(hostile);
  await page.close();
});

test("report tells the held-out bits per byte that training told, beside gzip and brotli", async () => {
  const html = readFileSync(reportPath, "utf8");
  const last = readFileSync(join(run, "metrics.jsonl"), "utf8")
    .split("\n")
    .filter((line) => line.includes(`"validation"`))
    .at(-1);
  const { valBitsPerByte } = JSON.parse(last ?? "{}") as { valBitsPerByte: number };
  expect(html).toContain(`<dt>held-out bits per byte</dt><dd>${valBitsPerByte.toFixed(3)}</dd>`);
  expect(html).toMatch(/<dt>gzip -9, same files<\/dt><dd>[1-4]\.\d{3}</);
  expect(html).toMatch(/<dt>brotli, same files<\/dt><dd>[1-4]\.\d{3}</);
});

test("report works on a run that is still going, whose last line is torn and whose data has gone, and changes nothing else", async () => {
  const going = join(folder, "going");
  mkdirSync(going);
  writeFileSync(join(going, "run.json"), readFileSync(join(run, "run.json")));
  const metrics = join(going, "metrics.jsonl");
  const lines = readFileSync(join(run, "metrics.jsonl"), "utf8").split("\n");
  writeFileSync(metrics, `${lines.slice(0, 6).join("\n")}\n`);
  truncateSync(metrics, statSync(metrics).size - 20);
  writeFileSync(join(going, "lock.json"), JSON.stringify({ pid: process.pid, host: "elsewhere", started: null }));
  const before = readFileSync(metrics, "utf8");
  const out = join(folder, "pages", "going.html");
  const { code, stdout, stderr } = await fathom(["report", going, "--out", out, "--json"]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: `${JSON.stringify({ report: out })}\n` });
  expect(stderr).toContain("without the compressors' figures");
  expect(existsSync(join(going, "report.html"))).toBe(false);
  expect(readFileSync(metrics, "utf8")).toBe(before);
  const { page, wrong } = await open(out, 1200, "light");
  expect(wrong).toEqual([]);
  expect(await page.getByText("No values yet.").count()).toBe(1);
  expect(await page.getByRole("img", { name: "Training loss" }).count()).toBe(1);
  expect(await page.getByRole("row", { name: /^to do/ }).count()).toBe(1);
  await page.close();
});

test("report refuses what is not a run with one line", async () => {
  const cases: [string[], string][] = [
    [["report", folder], `fathom: ${folder}: not a run: no run.json in it\n`],
    [["report", join(folder, "none")], `fathom: ${join(folder, "none")}: no such directory\n`],
    [["report", run, "--out", folder], `fathom: ${folder}: expected a file to write the report to, found a folder\n`],
  ];
  for (const [args, line] of cases) {
    expect(await fathom([...args, "--json"])).toMatchObject({ code: 1, stdout: "", stderr: line });
  }
  expect(await fathom(["report"])).toMatchObject({ code: 2, stderr: expect.stringContaining("'run'") });
});
