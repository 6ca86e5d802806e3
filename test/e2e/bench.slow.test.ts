/** The benches as a user runs them, on toy sizes: every row is whole, clocks agree, a page comes of the results, and mistakes cost one line. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fathom, fathomJson, root, startProgram } from "./command.js";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-bench-test-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Row {
  readonly bench: string;
  readonly case: string;
  readonly figure: number;
  readonly floor: number;
  readonly ratio: number;
  readonly unit: string;
  readonly peerName?: string;
}

test("bench all runs every bench, stores what it prints, and bench report makes a page of it", async () => {
  const results = join(folder, "results");
  const all = await fathomJson(["bench", "all", "--quick", "--save", results]);
  const rows = all.rows as readonly Row[];
  expect(all.failures).toEqual([]);
  expect(new Set(rows.map(({ bench }) => bench))).toEqual(
    new Set(["kernels", "train", "prefill", "decode", "javascript", "tokenizer", "load", "serve"]),
  );
  for (const row of rows) {
    const { figure, floor, ratio, unit } = row;
    expect(figure, row.case).toBeGreaterThan(0);
    expect(floor, row.case).toBeGreaterThan(0);
    expect(ratio, row.case).toBeCloseTo(["s", "ms", "MiB", "%"].includes(unit) ? floor / figure : figure / floor, 6);
  }
  const stored = readdirSync(results).flatMap(
    (name) => (JSON.parse(readFileSync(join(results, name), "utf8")) as { rows: Row[] }).rows,
  );
  expect(stored).toHaveLength(rows.length);

  const out = join(folder, "docs");
  const { files } = await fathomJson(["bench", "report", "--results", results, "--out", out]);
  const names = (files as string[]).map((file) => file.slice(out.length + 1));
  // A machine with one core has no scaling to draw.
  expect(names.filter((name) => name !== "performance-threads.svg")).toEqual([
    "performance.md",
    "performance-roofline.svg",
    "performance-experts.svg",
    "performance-context.svg",
  ]);
  const page = readFileSync(join(out, "performance.md"), "utf8");
  for (const row of rows) expect(page).toContain(`| ${row.case} |`);
});

test("the clock out here agrees within 5 % with the seconds and the rate that bench decode tells", async () => {
  const args = ["bench", "decode", "--preset", "small", "--depths", "0", "--tokens", "40", "--repeats", "5", "--json"];
  const { child, done } = startProgram(process.execPath, [join(root, "dist", "cli", "main.js"), ...args]);
  const seen: { readonly at: number; readonly line: string }[] = [];
  child.stderr?.on("data", (text: string) => {
    for (const line of String(text).trim().split("\n")) seen.push({ at: performance.now(), line });
  });
  const { json } = await done;
  const begin = seen.find(({ line }) => line.startsWith("bench: begin"));
  const end = seen.find(({ line }) => line.startsWith("bench: end"));
  const outside = ((end?.at ?? Number.NaN) - (begin?.at ?? Number.NaN)) / 1000;
  const [, told, looks] = (/ ([\d.]+) s, ([\d.]+) s of it looking at the memory$/.exec(end?.line ?? "") ?? []).map(
    Number,
  );
  // A line takes a millisecond or two to arrive.
  expect(Math.abs(outside - told!)).toBeLessThan(0.05 * told! + 0.005);
  const [row] = (json?.rows ?? []) as { samples: number[] }[];
  const seconds = (row?.samples ?? []).reduce((sum, rate) => sum + 40 / rate, 0);
  expect(Math.abs(outside - looks! - seconds)).toBeLessThan(0.05 * seconds + 0.005);
});

test("a peer that is not installed is told in the row, with how to install it", async () => {
  const empty = join(folder, "no-peers");
  const args = ["bench", "prefill", "--preset", "small", "--tokens", "32", "--repeats", "1", "--peer", "--json"];
  const { json, code } = await fathom(args, { env: { FATHOM_PEERS: empty } });
  expect(code).toBe(0);
  const [row] = (json?.rows ?? []) as Row[];
  expect(row?.peerName).toContain(`npm install --prefix ${empty} --ignore-scripts @node-llama-cpp/`);
  expect(row).not.toHaveProperty("peerRatio");
  const words = "bench serve --preset tiny --scenario single --repeats 1 --prompt-tokens 16 --tokens 4 --peer --json";
  const served = await fathom(words.split(" "), { env: { FATHOM_PEERS: empty } });
  expect(served.code).toBe(0);
  const [, decoding] = (served.json?.rows ?? []) as Row[];
  expect(decoding?.peerName).toContain(`npm install --prefix ${empty} --ignore-scripts node-llama-cpp (`);
});

test("the GGUF that llama.cpp is timed on has the preset's weights, each where the header says", async () => {
  const file = join(folder, "small.gguf");
  const script = join(root, "bench", "peers", "llama", "make_gguf.mjs");
  const make = (...args: string[]) => startProgram(process.execPath, [script, ...args]).done;
  const { json } = await make(join(root, "configs", "small.json"), file, "bf16");
  const { parameters } = await fathomJson(["inspect", "small"]);
  expect(json?.parameters).toBe((parameters as { total: number }).total);
  const bytes = readFileSync(file);
  expect(bytes.length).toBe(json?.bytes);
  expect([bytes.toString("latin1", 0, 4), bytes.readUInt32LE(4)]).toEqual(["GGUF", 3]);
  expect(bytes.length % 32).toBe(0);
  const odd = await make(join(root, "configs", "small.json"), file, "q8_0");
  expect(odd.stderr).toBe("make_gguf: blk.0.ffn_down.weight: rows of 688 values; Q8_0 takes multiples of 32\n");
  const refused = await make(join(root, "configs", "tiny.json"), file, "q8_0");
  expect(refused.code).toBe(1);
  expect(refused.stderr).toBe("make_gguf: n_group must be 1 for the GGUF writer, found 4\n");
});

test("wrong flags cost one line", async () => {
  const failures: readonly (readonly [number, string, RegExp])[] = [
    [2, "decode --depths 1,x", /expected whole numbers from 0 to 1048576, separated by commas/],
    [2, "decode --weights int3", /Allowed choices are fp8, int8, int4/],
    [1, "decode --preset tiny --depths 4096", /depth 4096 with 5 runs of 32 tokens needs 4288 positions, tiny has 256/],
    [1, "prefill --preset tiny --tokens 1000", /1000 tokens; tiny has 256 positions/],
    [1, "train --preset tiny --experts 18", /18 experts do not divide into 4 groups/],
    [1, "train --preset small --length 64 --peer", /leave out --length, --batch and --experts/],
    [1, "load --model a --out b", /give --model or --out, not both/],
    [1, "load --model /no/such/model", /no/],
    [2, "serve --scenario singel", /expected some of single, loads, prefix, long, overload/],
    [2, "serve --concurrency 1,0", /expected whole numbers from 1 to 65536, separated by commas/],
    [2, "serve --prompt-tokens 9-3", /expected a whole number from 1 to 1048576, or a range such as 128-512/],
    [2, "serve --prefix-share 1.5", /expected a number from 0 to 1\./],
    [1, "serve --prefix-share 0.5", /--prefix-share needs a --shared-prefix from 1 to 511/],
    [1, "serve --url localhost:1", /--url: expected an address such as http:\/\/127.0.0.1:8000, got localhost:1/],
    [1, "serve --url http://127.0.0.1:9 --scenario single", /give --model beside --url/],
    [1, "serve --url http://127.0.0.1:9", /http:\/\/127.0.0.1:9 does not answer/],
    [1, "serve --out a --model b", /give --out, --model or --url, not both/],
    [1, "serve --rate 2 --scenario long", /--rate is a load: add loads to --scenario/],
    [1, "serve --model /no/such/model", /no such directory/],
    [1, "report --results /no/such/folder", /no results/],
  ];
  for (const [expected, words, text] of failures) {
    const { code, stdout, stderr } = await fathom(["bench", ...words.split(" "), "--json"]);
    expect({ words, code, stdout }).toEqual({ words, code: expected, stdout: "" });
    expect(stderr.trimEnd().split("\n"), words).toHaveLength(1);
    expect(stderr).toMatch(text);
  }
});
