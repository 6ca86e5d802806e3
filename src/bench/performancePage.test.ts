import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { performancePage } from "./performancePage.js";
import { plots } from "./plots.js";
import { parseResult, readResults } from "./results.js";
import type { BenchRow } from "./row.js";
import { targetsOf, verdict } from "./targets.js";

const results = readResults(fileURLToPath(new URL("./fixtures", import.meta.url)));
const page = performancePage(results, plots(results), "## Notes\n\nWritten by hand.\n");

/** The cells of the table line that starts with a case. */
function cells(name: string): string[] {
  const line = page.split("\n").find((text) => text.startsWith(`| ${name} |`)) ?? "";
  return line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, ""));
}

test("the page shows each row with figure, floor, peer and what it should reach", () => {
  expect(cells("bench-0.9b int8 weights depth 0")).toEqual([
    "bench-0.9b int8 weights depth 0",
    "2",
    "150 tokens/s",
    "160 tokens/s",
    "94 %",
    "100 tokens/s (llama.cpp v0, Q8_0)",
    "1.50",
    "must 1.2 x: reached; aim 90 % of the floor: reached",
  ]);
  expect(cells("bench-0.9b int8 weights depth 512").at(-1)).toBe("must 1.6, aim 2.5 x: **below**");
});

test("a gap is stated with its operations and bytes and the time that they take", () => {
  // 6e8 operations at 4e11 a second; 2.8e8 bytes at 4e10 a second; 50 tokens a second.
  expect(page).toContain(
    "- **decode bench-0.9b int8 weights depth 512** (2 threads): 1.25 times llama.cpp v0, Q8_0, must be 1.6. A token takes 600 M operations, 1.5 ms at the peak and 280 M bytes, 7 ms at 40.0 GB/s; it took 20 ms.",
  );
  expect(page).toContain("- **tokenizer encode, vocabulary 4096, 1 thread** (1 thread): 20 MB/s, aim 30.");
  expect(page.split("\n").filter((line) => line.startsWith("- **"))).toHaveLength(2);
});

test("a peer that is missing is told with what it needs, and the run with its machine", () => {
  expect(cells("encode, vocabulary 4096, 1 thread")[5]).toBe(
    "@huggingface/tokenizers does not run here: npm install in the repository",
  );
  expect(page).toContain("`fathom bench decode --weights int8 --depths 0,512 --peer`");
  expect(page).toContain("Machine: a processor | of tests, 2 cores, 24 GiB, avx512; fathom 0.1.0, Node.js 20.19.0.");
  expect(page).toContain("| 2026-11-25 04:00 | 200 / 400 | 40.0 | 1.3 % |");
  expect(page.endsWith("## Notes\n\nWritten by hand.\n")).toBe(true);
});

test("plots are made of what there is: cost against depth with floor and peer, and scaling with threads", () => {
  const drawn = plots(results);
  expect(drawn.map(({ name }) => name)).toEqual(["threads", "context"]);
  for (const { name, svg } of drawn) {
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 560 \d+"/);
    expect(page).toContain(`(performance-${name}.svg)`);
  }
  const [threads, context] = drawn;
  expect(threads?.svg).toContain("tokenizer encode, vocabulary 4096 at 2: 1.8");
  // 1000 / 50 and 1000 / 40 ms a token at depth 512, 1000 / 125 allowed.
  expect(context?.svg).toContain("bench-0.9b int8 weights, 2 threads at 512: 20<");
  expect(context?.svg).toContain("llama.cpp v0, Q8_0 at 512: 25<");
  expect(context?.svg).toContain("floor of bench-0.9b int8 weights, 2 threads 8");
});

test("the roofline puts kernels by operations per byte, those told in GB/s by their operations", () => {
  const [first] = results;
  if (!first) throw new Error("no fixture");
  const kernel = (row: Partial<BenchRow>): BenchRow => ({
    ...{
      bench: "kernels",
      case: "",
      figure: 0,
      unit: "GFLOP/s",
      floor: 1,
      ratio: 1,
      threads: 2,
      samples: [],
      per: "call",
    },
    ...row,
  });
  const rows = [
    kernel({ case: "gemm bf16", figure: 300, flops: 1e9, bytes: 1e7 }),
    // 30 GB/s of 2 operations for 4 bytes: 15 GFLOP/s.
    kernel({ case: "decode f32, 1 row", figure: 30, unit: "GB/s", flops: 2e6, bytes: 4e6 }),
  ];
  const svg = plots([{ ...first, rows }])[0]?.svg ?? "";
  expect(svg).toContain("bf16 and quantised weights at 100: 300<");
  expect(svg).toContain("f32 at 0.5: 15<");
  expect(svg).not.toMatch(/NaN|undefined/);
});

test("what fewer bits cost is told against bf16, with the divergence", () => {
  const [first] = results;
  if (!first) throw new Error("no fixture");
  const row = (name: string, figure: number, klNats: number): BenchRow => ({
    ...{
      bench: "quantization",
      case: `m, ${name}`,
      figure,
      unit: "perplexity",
      floor: 40,
      ratio: 40 / figure,
      threads: 2,
    },
    ...{ samples: [figure], at: { tokens: 2000, klNats, sameChoice: 0.975, weightMiB: 3.25 } },
  });
  const rows = [row("int4 weights", 40.2, 0.0123), row("int8 weights", 39.9999, 1e-4)];
  const text = performancePage([{ ...first, rows }], [], "");
  expect(text).toContain("2,000 tokens are predicted.");
  expect(text).toContain("| m, int4 weights | 40.200 | +0.50 % | 0.012 | 97.5 % | 3.25 MiB |");
  expect(text).toContain("| m, int8 weights | 40.000 | 0.00 % | 0.00010 | 97.5 % | 3.25 MiB |");
});

test("serving stands beside figures of the same run, with its targets and the spread of its loads", () => {
  const [first] = results;
  if (!first) throw new Error("no fixture");
  const row = (name: string, change: Partial<BenchRow>): BenchRow => ({
    ...{ bench: "serve", case: `m, ${name}`, figure: 1, unit: "ms", floor: 1, ratio: 1, threads: 2, samples: [1] },
    ...change,
  });
  const at = {
    ...{ clients: 4, requests: 32, failed: 1, firstMsMedian: 812, firstMsP90: 903.4, firstMsP99: 1234 },
    ...{ gapMsMedian: 20.12, gapMsP90: 25, gapMsP99: 31, outputTokensPerSecond: 180 },
    ...{ inputTokensPerSecond: 720, requestsPerSecond: 1.41 },
  };
  const shares = { times: 10, share200: 0.09, share429: 0.9, shareOther: 0.01 };
  const rows = [
    row("decode of 128 tokens after 512", {
      ...{ figure: 57, floor: 60, ratio: 0.95, unit: "tokens/s", floorName: "in this process" },
    }),
    row("prefill of 512 tokens", { figure: 700, floor: 760, ratio: 0.921, unit: "tokens/s" }),
    row("4 clients: output", { figure: 180, floor: 60, ratio: 3, unit: "tokens/s", floorName: "1 client", at }),
    row("2000 tokens again: first token", { figure: 150, floor: 1000, ratio: 6.67 }),
    row("next token beside a prompt of 16384 tokens, p99", { figure: 149, floor: 20, ratio: 0.13 }),
    row("prompt of 16384 tokens beside 4 streams", { ...{ figure: 300, floor: 600, ratio: 0.5, unit: "tokens/s" } }),
    row("/health beside a prompt of 16384 tokens, slowest", { figure: 51, floor: 1, ratio: 0.02 }),
    row("overload 10x: answered", {
      ...{ unit: "requests/s", figure: 9, floor: 10, ratio: 0.9 },
      at: { ...at, ...shares },
    }),
    row("overload 10x: recovery", { unit: "s", figure: 4, floor: 0.1, ratio: 0.025 }),
  ];
  const text = performancePage([{ ...first, rows }], [], "");
  expect(text).toContain("## Serving\n\n`fathom serve` as its clients meet it");
  for (const line of [
    "| case | threads | figure | beside | ratio | target |",
    "| m, decode of 128 tokens after 512 | 2 | 57 tokens/s | 60 tokens/s (in this process) | 0.95 | must 95 % of the same in process: reached |",
    "| m, prefill of 512 tokens | 2 | 700 tokens/s | 760 tokens/s | 0.92 | must 95 % of the same in process: **below** |",
    "| m, 4 clients: output | 2 | 180 tokens/s | 60 tokens/s (1 client) | 3.00 |  |",
    "| m, 2000 tokens again: first token | 2 | 150 ms | 1,000 ms | 6.67 | must 10 % of the first time: **below** |",
    "| m, next token beside a prompt of 16384 tokens, p99 | 2 | 149 ms | 20 ms | 0.13 | must 150 ms: reached |",
    "| m, prompt of 16384 tokens beside 4 streams | 2 | 300 tokens/s | 600 tokens/s | 0.50 | must 60 % of the prompt alone: **below** |",
    "| m, /health beside a prompt of 16384 tokens, slowest | 2 | 51 ms | 1 ms | 0.02 | must 50 ms: **below** |",
    "| m, overload 10x: answered | 2 | 9 requests/s | 10 requests/s | 0.90 | must 0 % of requests failed otherwise than by 429: **below** |",
    "| m, overload 10x: recovery | 2 | 4 s | 0.1 s | 0.03 | must 5 s: reached |",
    "| m, 4 clients | 32 | 1 | 812 / 903 / 1,234 | 20.1 / 25 / 31 | 180 | 720 | 1.41 |",
    "| m, overload 10x (9 % answered, 90 % sent away) | 32 | 1 | 812 / 903 / 1,234 | 20.1 / 25 / 31 | 180 | 720 | 1.41 |",
  ]) {
    expect(text.split("\n")).toContain(line);
  }
  expect(text).toContain(
    "- **serve m, 2000 tokens again: first token** (2 threads): 15 % of the first time, must be 10 %.",
  );
});

test("verdicts tell apart what reaches both bounds, one and none", () => {
  const row = (value: number): BenchRow => ({
    ...{
      bench: "prefill",
      case: "bench-0.9b",
      figure: 1,
      unit: "tokens/s",
      floor: 1,
      ratio: 1,
      threads: 2,
      samples: [],
    },
    ...{ peer: 1, peerName: "llama.cpp", peerRatio: value },
  });
  const verdicts = [1.49, 1.5, 2.3].map((value) => targetsOf(row(value)).map(verdict));
  expect(verdicts).toEqual([["below"], ["notAim"], ["all"]]);
  const cost = { what: "s", must: 2, aim: 1, isCost: true };
  expect([3, 1.5, 1].map((value) => verdict({ ...cost, value }))).toEqual(["below", "notAim", "all"]);
});

test("files that are not results are refused by name", () => {
  expect(() => parseResult([], "x.json")).toThrow("x.json: not a result of fathom bench: not an object");
  expect(() => parseResult({ ...results[0], rows: [{ bench: "load" }] }, "x.json")).toThrow(
    "x.json: not a result of fathom bench: row 0 has no figure",
  );
  expect(() => readResults("/no/such/folder")).toThrow(
    "/no/such/folder: no results; run `fathom bench all --save /no/such/folder` first",
  );
});

test("training in float32 is held against PyTorch, in other types against the bf16 peak too", () => {
  const row = (dtype: string, peerRatio: number): BenchRow => ({
    ...{ bench: "train", case: `small ${dtype}`, figure: 1, unit: "tokens/s", floor: 3, ratio: 0.33, threads: 2 },
    ...{ samples: [1], peerName: "PyTorch", peerRatio },
  });
  const verdicts = (one: BenchRow): string[] =>
    targetsOf(one).map((target) => `${target.what} ${target.must}: ${verdict(target)}`);
  expect(verdicts(row("float32", 1.25))).toEqual(["times PyTorch 1.2: notAim"]);
  expect(verdicts(row("float32", 1.15))).toEqual(["times PyTorch 1.2: below"]);
  expect(verdicts(row("bfloat16", 1.25))).toEqual(["of the floor 0.35: below", "times PyTorch 1.3: below"]);
});
