/** A run that is interrupted and goes on, through the built command line: nothing is lost, and nothing is done twice. */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fathom, start } from "./command.js";
import {
  checkpointsOf,
  lastStep,
  metricsOf,
  newestHashes,
  reproducible,
  until,
  type Workplace,
  workplace,
} from "./runs.js";

const steps = 100;
let place: Workplace;
let whole = "";

const args = (out: string, ...more: string[]): string[] => [
  ...place.args,
  "--out",
  out,
  "--steps",
  `${steps}`,
  "--save-every",
  "5",
  "--validate-every",
  "10",
  ...more,
];

/** Compares a run that went on with the one that was never interrupted. */
function expectSame(out: string, uninterrupted = whole): void {
  expect(reproducible(out)).toEqual(reproducible(uninterrupted));
  expect(newestHashes(out)).toEqual(newestHashes(uninterrupted));
}

beforeAll(async () => {
  place = workplace("resume");
  whole = join(place.folder, "whole");
  const { code, stderr, json } = await fathom(args(whole, "--resume")); // There is nothing to go on with: it starts.
  expect(code, stderr).toBe(0);
  expect(json).toMatchObject({ run: whole, steps, tokens: steps * 8 * 32 });
});
afterAll(() => place.remove());

test("--resume where there is no run starts one, and the newest checkpoints alone are kept", () => {
  const events = metricsOf(whole);
  expect(events.filter(({ kind }) => kind === "start")).toMatchObject([{ step: 0 }]);
  expect(events.filter(({ kind }) => kind === "step").map(({ step }) => step)).toEqual(
    Array.from({ length: steps }, (_, i) => i + 1),
  );
  expect(checkpointsOf(whole)).toEqual(["step-00000095", "step-00000100"]);
});

test("--keep-last keeps as many checkpoints as it says", async () => {
  const out = join(place.folder, "kept");
  expect((await fathom(args(out, "--keep-last", "4"))).code).toBe(0);
  expect(checkpointsOf(out)).toEqual(["step-00000085", "step-00000090", "step-00000095", "step-00000100"]);
});

test("a run that was killed goes on to the same bits, without the lines after its checkpoint", async () => {
  const out = join(place.folder, "killed");
  const first = start(args(out));
  expect(await until(first, () => lastStep(out) >= 17)).toBe(true);
  first.child.kill("SIGKILL");
  expect((await first.done).signal).toBe("SIGKILL");
  const newest = checkpointsOf(out).at(-1) ?? "";
  const resumed = Number(newest.slice("step-".length));
  // Lines that the resumed run must cut: of a step it will do again, and one torn in the middle.
  appendFileSync(join(out, "metrics.jsonl"), '{"kind":"step","stage":"pretrain","step":99,"loss":0}\n{"kind":"st');
  const second = await fathom(args(out, "--resume"));
  expect(second.code, second.stderr).toBe(0);
  const starts = metricsOf(out).filter(({ kind }) => kind === "start");
  expect(starts.map(({ step }) => step)).toEqual([0, resumed]);
  expect(resumed).toBeGreaterThanOrEqual(10);
  expectSame(out);
});

test("master weights, bfloat16 moments and the average of the weights go on to the same bits too", async () => {
  const more = ["--dtype", "bfloat16", "--moment-dtype", "bfloat16", "--ema", "0.95"];
  const [uninterrupted, out] = [join(place.folder, "bf16"), join(place.folder, "bf16 killed")];
  expect((await fathom(args(uninterrupted, ...more))).code).toBe(0);
  const first = start(args(out, ...more));
  expect(await until(first, () => lastStep(out) >= 13)).toBe(true);
  first.child.kill("SIGKILL");
  expect((await first.done).signal).toBe("SIGKILL");
  const second = await fathom(args(out, ...more, "--resume"));
  expect(second.code, second.stderr).toBe(0);
  expectSame(out, uninterrupted);
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`${signal} saves the run and ends it with code 130, from where it goes on to the same bits`, async () => {
    const out = join(place.folder, signal);
    const first = start(args(out));
    expect(await until(first, () => lastStep(out) >= 7)).toBe(true);
    first.child.kill(signal);
    const stopped = await first.done;
    expect(stopped.code, stopped.stderr).toBe(130);
    expect(stopped.stderr).toContain("stopping after this step; the run will be saved");
    const last = lastStep(out);
    expect(last).toBeLessThan(steps);
    expect(stopped.json).toMatchObject({ steps: last, reason: "stopped" });
    expect(checkpointsOf(out).at(-1)).toBe(`step-${String(last).padStart(8, "0")}`);
    expect(existsSync(join(out, "lock.json"))).toBe(false);
    // Model, text and settings are those of the run.
    const second = await fathom(["pretrain", "--out", out, "--resume", "--threads", "1", "--samples", "0", "--json"]);
    expect(second.code, second.stderr).toBe(0);
    expect(second.json).toMatchObject({ steps, reason: "finished" });
    expectSame(out);
  });
}

test("a signal while text is read ends the command with code 130 and leaves nothing", async () => {
  const out = join(place.folder, "early");
  const text = join(place.folder, "long.txt");
  // Numbers written as words that hardly repeat: seconds of reading, counting and encoding.
  const words = Array.from({ length: 4_000_000 }, (_, i) =>
    ((i * 2_654_435_761) % 2 ** 32).toString(36).replace(/\d/g, "q"),
  );
  writeFileSync(text, words.join("\n"));
  const config = join(place.folder, "config.json");
  const running = start(["pretrain", "--config", config, "--data", text, "--out", out, "--threads", "1", "--json"]);
  expect(await until(running, () => existsSync(join(out, "lock.json")))).toBe(true);
  running.child.kill("SIGINT");
  const { code, stdout, stderr } = await running.done;
  expect(code, stderr).toBe(130);
  expect(stdout).toBe("");
  expect(stderr).toContain(`fathom: ${out}: interrupted while the data was prepared; nothing was trained\n`);
  expect(existsSync(out)).toBe(false);
});

test("a resume with another model names what differs and changes nothing", async () => {
  const config = JSON.parse(readFileSync(join(place.folder, "config.json"), "utf8")) as Record<string, unknown>;
  const other = join(place.folder, "other.json");
  writeFileSync(other, JSON.stringify({ ...config, kv_lora_rank: 24 }));
  const [metrics, hashes] = [readFileSync(join(whole, "metrics.jsonl"), "utf8"), newestHashes(whole)];
  const refused = await fathom(args(whole, "--resume", "--config", other));
  expect(refused.code).toBe(1);
  expect(refused.stdout).toBe("");
  expect(refused.stderr).toBe(
    `fathom: ${whole}: cannot resume with another model: kv_lora_rank is 16 in the run, 24 in the config given\n`,
  );
  expect(readFileSync(join(whole, "metrics.jsonl"), "utf8")).toBe(metrics);
  expect(newestHashes(whole)).toEqual(hashes);
});

test("a run that is there is not started over without --resume", async () => {
  const refused = await fathom(args(whole));
  expect(refused.code).toBe(1);
  expect(refused.stderr).toBe(
    `fathom: ${whole}: there is a run already; --resume goes on with it, or choose another --out\n`,
  );
});

test("a run directory that another process uses is refused with one line that names the process", async () => {
  const out = join(place.folder, "used");
  const first = start([...place.args, "--out", out, "--steps", "100000", "--save-every", "0", "--validate-every", "0"]);
  expect(await until(first, () => lastStep(out) >= 2)).toBe(true);
  const refused = await fathom(args(out, "--resume"));
  expect(refused.code).toBe(1);
  expect(refused.stdout).toBe("");
  expect(refused.stderr).toMatch(
    new RegExp(`^fathom: ${out}: run directory in use by process ${first.child.pid} on [^\\n]+\\n$`),
  );
  first.child.kill("SIGTERM");
  const stopped = await first.done;
  expect(stopped.code, stopped.stderr).toBe(130);
  expect(lastStep(out)).toBe(stopped.json?.steps);
});
