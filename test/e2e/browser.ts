/** A browser without a window for tests of the page: chromium (or chromium-browser, google-chrome) from the PATH, and pages that tell what their consoles say. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { root } from "./command.js";

export async function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: findBrowser(), args: ["--no-sandbox"] });
}

/** Builds the page where its sources are newer. */
export function buildPage(): void {
  const built = spawnSync(
    process.execPath,
    ["-e", `import("./scripts/setup.mjs").then((setup) => setup.ensureWeb())`],
    { cwd: root },
  );
  if (built.status !== 0) throw new Error(`the page does not build: ${built.stderr}`);
}

/** A fresh page. @param said gets every line of its console, violations of the policy among them */
export async function openPage(browser: Browser, address: string, said: string[], width = 1200): Promise<Page> {
  const page = await (await browser.newContext({ viewport: { width, height: 800 } })).newPage();
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(error.message));
  await page.goto(address);
  return page;
}

function findBrowser(): string {
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    for (const place of (process.env.PATH ?? "").split(delimiter)) {
      if (place !== "" && existsSync(join(place, name))) return join(place, name);
    }
  }
  throw new Error("no chromium, chromium-browser or google-chrome on the PATH; install one: apt-get install chromium");
}
