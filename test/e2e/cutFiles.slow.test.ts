import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { endAll, start } from "./command.js";
import { found, serve, writeSmallModel } from "./served.js";

/** Weights that are cut short in their place while they are mapped: an error that names the file, and no signal. */
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-cut-"));
  writeSmallModel(join(folder, "good"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => endAll());

/** A copy of the model. @returns its directory and the file of its weights */
function copied(name: string): readonly [directory: string, weights: string] {
  const directory = join(folder, name);
  cpSync(join(folder, "good"), directory, { recursive: true });
  return [directory, join(directory, "model.safetensors")];
}

const complete = (url: string, model: string, body: object = {}): Promise<Response> =>
  fetch(`${url}/v1/completions`, {
    method: "POST",
    body: JSON.stringify({ model, prompt: "a", temperature: 0, max_tokens: 400, ignore_eos: true, ...body }),
  });

test("a server ends what runs on such a model, says that it is not ready, serves the others, and takes a good checkpoint", async () => {
  const [[one, weights], [other]] = [copied("one"), copied("other")];
  const { url, running, log } = await serve([one, other]);
  const texts = async (model: string): Promise<string[]> => {
    const response = await complete(url, model, { max_tokens: 8 });
    const { choices } = (await response.json()) as { choices: { text: string }[] };
    return choices.map((choice) => choice.text);
  };
  const good = await texts("one");
  const whole = statSync(weights).size;
  const stream = await complete(url, "one", { stream: true, n: 4 });
  const reader = stream.body?.getReader();
  await reader?.read();
  // The last pages hold what every pass needs.
  truncateSync(weights, whole / 4);
  const damage = `the model one cannot be served: ${weights}: cut short or unreadable since it was opened`;
  let text = "";
  for (let part = await reader?.read(); part?.value; part = await reader?.read()) text += Buffer.from(part.value);
  const last = JSON.parse(text.trimEnd().split("\n").at(-1)?.slice("data: ".length) ?? "");
  expect(last).toMatchObject({ error: { message: damage, type: "service_unavailable", code: "model_damaged" } });
  for (const path of ["/readyz", "/health"]) {
    const response = await fetch(`${url}${path}`);
    expect([response.status, await response.json()]).toMatchObject([503, { error: { message: damage } }]);
  }
  const refused = await complete(url, "one");
  expect([refused.status, await refused.json()]).toMatchObject([503, { error: { message: damage } }]);
  expect((await fetch(`${url}/livez`)).status).toBe(200);
  expect(await texts("other")).toEqual(good);
  const { models } = (await (await fetch(`${url}/props`)).json()) as { models: object[] };
  expect(models).toMatchObject([
    { id: "one", is_ready: false },
    { id: "other", is_ready: true, damage: null },
  ]);
  await found(() => (/the model cannot be served/.test(log()) ? true : null), running);
  await found(() => (/a new checkpoint was not taken/.test(log()) ? true : null), running);
  // Good files beside, renamed into their place.
  const [next] = copied("next");
  rmSync(one, { recursive: true });
  renameSync(next, one);
  await found(async () => ((await fetch(`${url}/readyz`)).status === 200 ? true : null), running);
  expect(await texts("one")).toEqual(good);
  running.child.kill("SIGTERM");
  expect((await running.done).code).toBe(0);
});

test("a file that is written over in its place is taken anew", async () => {
  const [directory, weights] = copied("over");
  const { url, running } = await serve([directory]);
  const text = async (): Promise<string> => {
    const { choices } = (await (await complete(url, "over", { max_tokens: 8 })).json()) as {
      choices: { text: string }[];
    };
    return choices[0]?.text ?? "";
  };
  const before = await text();
  const bytes = readFileSync(weights);
  writeFileSync(weights, "");
  expect((await complete(url, "over")).status).toBe(503);
  writeFileSync(weights, bytes);
  await found(async () => ((await fetch(`${url}/readyz`)).status === 200 ? true : null), running);
  expect(await text()).toBe(before);
  running.child.kill("SIGTERM");
  expect((await running.done).code).toBe(0);
});

test.runIf(process.platform === "linux")("commands end with one line that names the file", async () => {
  const text = join(folder, "text");
  writeFileSync(text, "What is it? ".repeat(20_000));
  const long = ["--max-tokens", "500", "--temperature", "1"];
  // Each is cut where it works with the weights: after its first words, or when they are mapped.
  for (const [name, args, sign] of [
    ["generate", ["generate", "--model", "", "--prompt", "a", ...long, "--regex", "[a-z]{500}"], /[a-z]/],
    ["chat", ["chat", "", "--prompt", "a", "--max-tokens", "400", "--temperature", "1"], /./],
    ["eval", ["eval", "--model", "", "--tasks", "problems", "--limit", "200"], /requests/],
    ["score", ["score", "--model", "", "--file", text], null],
  ] as const) {
    const [directory, weights] = copied(name);
    const running = start(args.map((word) => word || directory));
    let said = "";
    for (const stream of [running.child.stdout, running.child.stderr]) {
      stream?.on("data", (part: string) => {
        said += part;
      });
    }
    const isMapped = (): boolean => readFileSync(`/proc/${running.child.pid}/maps`, "utf8").includes(weights);
    await found(() => ((sign ? sign.test(said) : isMapped()) ? true : null), running);
    truncateSync(weights, statSync(weights).size / 4);
    const { code, signal, stderr } = await running.done;
    expect([name, code, signal]).toEqual([name, 1, null]);
    expect(stderr.trimEnd().split("\n").at(-1)).toMatch(
      /^fathom: .*: (cut short or unreadable since it was opened|.*truncated)/,
    );
    expect(stderr.trimEnd().split("\n").at(-1)).toContain(weights);
  }
});
