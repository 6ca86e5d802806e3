import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, expect, test } from "vitest";
import { endAll, fathom, fathomJson, root, runProgram } from "./command.js";
import { found, serve, writeSmallModel } from "./served.js";

/** `fathom serve` as a process: its start, its answers, new checkpoints, and its end. */
let folder = "";
let model = "";
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fathom-serve-"));
  model = join(folder, "small");
  writeSmallModel(model);
  return () => rmSync(folder, { recursive: true, force: true });
});
afterEach(() => endAll());

async function complete(url: string, body: object): Promise<Response> {
  return fetch(`${url}/v1/completions`, {
    method: "POST",
    body: JSON.stringify({ prompt: "a", temperature: 0, ...body }),
  });
}

test("serve answers, drains on SIGTERM while a stream runs, and exits with 0", async () => {
  const { running, url } = await serve([model, "--alias", "mine"]);
  expect(await (await fetch(`${url}/v1/models`)).json()).toMatchObject({ data: [{ id: "mine", max_model_len: 512 }] });
  const twice = await Promise.all([complete(url, { max_tokens: 8 }), complete(url, { max_tokens: 8 })]);
  const [one, other] = (await Promise.all(twice.map((each) => each.json()))) as { choices: { text: string }[] }[];
  expect(one?.choices[0]?.text).toBe(other?.choices[0]?.text);
  const body = { messages: [{ role: "user", content: "Hi" }], guided_regex: "[ab]{4}", max_tokens: 9 };
  const chat = await fetch(`${url}/v1/chat/completions`, { method: "POST", body: JSON.stringify(body) });
  expect(await chat.json()).toMatchObject({ choices: [{ message: { content: expect.stringMatching(/^[ab]{4}$/) } }] });
  const stream = await complete(url, { max_tokens: 400, ignore_eos: true, stream: true });
  running.child.kill("SIGTERM");
  expect((await stream.text()).endsWith("data: [DONE]\n\n")).toBe(true);
  const { code, json, stderr } = await running.done;
  expect(code, stderr).toBe(0);
  expect(json).toMatchObject({ url, models: [{ id: "mine" }] });
  expect(stderr).not.toContain("Hi");
});

test("the examples, a gap and a chat work with the model that is served, and SIGTERM ends it with 0", async () => {
  const { running, url } = await serve([model]);
  const gap = { prompt: "f(", suffix: ")", max_tokens: 6, ignore_eos: true };
  const filled = (await (await complete(url, gap)).json()) as { choices: { text: string }[]; usage: object };
  // Begin, start, two bytes, hole, one byte, end.
  expect(filled.usage).toMatchObject({ prompt_tokens: 7, completion_tokens: 6 });
  const plain = (await (await complete(url, { ...gap, suffix: null })).json()) as typeof filled;
  expect(plain.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 6 });
  const example = async (name: string, ...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await runProgram(process.execPath, [join(root, "examples", name), ...args]);
    expect(code, stderr).toBe(0);
    return stdout;
  };
  expect(await example("openai.mjs", `${url}/v1`, "Who?")).toMatch(/\d+ tokens from small\n$/);
  expect(await example("fim.mjs", `${url}/v1`)).toMatch(/^export function add\([\s\S]*\n\}\n$/);
  running.child.kill("SIGTERM");
  expect((await running.done).code).toBe(0);
  // The same weights in another process, greedy: what the library writes is what the server would have written.
  const text = await example("library.mjs", model);
  const generate = [
    "generate",
    "--model",
    model,
    "--prompt",
    "export function ",
    "--max-tokens",
    "64",
    "--temperature",
    "0",
  ];
  expect(text).toBe(`${(await fathomJson(generate)).text}\n`);
});

test("chat answers one question as JSON", async () => {
  const args = ["chat", model, "--prompt", "Who are you?", "--max-tokens", "5", "--temperature", "0"];
  const asked = await fathomJson(args);
  expect(asked).toMatchObject({
    model,
    messages: [
      { role: "user", content: "Who are you?" },
      { role: "assistant", content: expect.any(String) },
    ],
    settings: { temperature: 0, maxTokens: 5 },
  });
  expect(await fathomJson(args)).toEqual(asked);
});

test("serve asks for a key, and tells what is wrong before it listens", async () => {
  const { url, running } = await serve([model], { env: { FATHOM_API_KEY: "key-of-the-test" } });
  expect((await fetch(`${url}/v1/models`)).status).toBe(401);
  expect((await fetch(`${url}/health`)).status).toBe(200);
  const headers = { authorization: "Bearer key-of-the-test" };
  expect((await fetch(`${url}/v1/models`, { headers })).status).toBe(200);
  running.child.kill("SIGINT");
  expect((await running.done).code).toBe(0);
  const wrong = async (...args: string[]): Promise<string> => {
    const { code, stderr } = await fathom(["serve", ...args, "--port", "0"]);
    expect(code).toBe(1);
    return stderr;
  };
  expect(await wrong(join(folder, "none"))).toContain("no such directory");
  expect(await wrong(model, model)).toContain("two models would be called small");
  expect(await wrong(model, "--alias", "a", "--alias", "b")).toContain("2 names (--alias) for 1 models");
  writeFileSync(join(folder, "keys"), "short\n");
  expect(await wrong(model, "--api-key-file", join(folder, "keys"))).toContain("expected 8 to 512 visible");
});

test("serve takes a run's newer checkpoint and leaves a damaged one", async () => {
  const run = join(folder, "run");
  const checkpoint = (step: string, spoil = false): void => {
    const target = join(run, "checkpoints", step);
    mkdirSync(join(run, "checkpoints"), { recursive: true });
    cpSync(model, target, { recursive: true });
    if (spoil)
      for (const name of readdirSync(target)) if (name.endsWith(".safetensors")) writeFileSync(join(target, name), "x");
    symlinkSync(step, join(run, "checkpoints", "new"));
    renameSync(join(run, "checkpoints", "new"), join(run, "checkpoints", "latest"));
  };
  checkpoint("step-00000001");
  const { url, running, log } = await serve([run]);
  const directory = async (): Promise<string> => {
    const { models } = (await (await fetch(`${url}/props`)).json()) as { models: { directory: string }[] };
    return models[0]?.directory ?? "";
  };
  expect(await directory()).toMatch(/step-00000001$/);
  checkpoint("step-00000002", true);
  await found(() => (log().includes("a new checkpoint was not taken") ? true : null), running);
  expect(await directory()).toMatch(/step-00000001$/);
  expect((await complete(url, { max_tokens: 2 })).status).toBe(200);
  checkpoint("step-00000003");
  await found(async () => ((await directory()).endsWith("step-00000003") ? true : null), running);
  expect((await complete(url, { max_tokens: 2 })).status).toBe(200);
  running.child.kill("SIGTERM");
  expect((await running.done).code).toBe(0);
  expect(existsSync(join(run, "checkpoints", "step-00000001"))).toBe(true);
});

test("a model whose files are removed, or replaced by damaged ones, goes on serving and says so; good ones are taken", async () => {
  const own = join(folder, "own");
  const put = (seed: number, spoil: boolean): void => {
    const next = join(folder, `next-${seed}`);
    writeSmallModel(next, seed);
    if (spoil) writeFileSync(join(next, "model.safetensors"), "damaged");
    rmSync(own, { recursive: true, force: true });
    renameSync(next, own);
  };
  put(5, false);
  const { url, running } = await serve([own]);
  const text = async (): Promise<string> => {
    const response = await complete(url, { max_tokens: 12, ignore_eos: true });
    expect(response.status).toBe(200);
    const { choices } = (await response.json()) as { choices: { text: string }[] };
    return choices[0]?.text ?? "";
  };
  const failure = async (): Promise<string | null> => {
    const { models } = (await (await fetch(`${url}/props`)).json()) as { models: { not_reloaded: string | null }[] };
    return models[0]?.not_reloaded ?? null;
  };
  const first = await text();
  rmSync(own, { recursive: true });
  const removed = await found(failure, running);
  expect(removed).toContain("own");
  expect(await text()).toBe(first);
  put(6, true);
  expect(await found(async () => ((await failure()) === removed ? null : failure()), running)).toContain("safetensors");
  expect(await text()).toBe(first);
  put(7, false);
  await found(async () => ((await failure()) === null ? true : null), running);
  const second = await found(async () => ((await text()) === first ? null : text()), running);
  expect(second).not.toBe(first);
  running.child.kill("SIGTERM");
  expect((await running.done).code).toBe(0);
});
