/**
 * Every benchmark, each in a process of its own, so that memory and caches of one do not meet the next. The lines in which a process tells begin and
 * end of its sections are held against a clock out here: a figure must not depend on who looks at the clock.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseResult, type StoredResult, saveResult } from "./results.js";
import { parseMark, type Say } from "./rounds.js";

export interface BenchRun {
  /** Name of the file that stores it. */
  readonly name: string;
  /** Words after `fathom bench`. */
  readonly words: readonly string[];
  readonly hasPeer: boolean;
}

/** What `npm run quickstart` leaves, for the runs that need a trained model. */
export const trainedModel = "runs/quickstart";

/**
 * @param cores of this machine: with several, some runs are repeated on one
 * @param isTrained whether the trained model is there; without it two runs are left out
 */
export function allRuns(cores: number, isTrained: boolean): BenchRun[] {
  const run = (name: string, words: string, hasPeer = false): BenchRun => ({ name, words: words.split(" "), hasPeer });
  const training = ["small", "middle"].flatMap((preset) =>
    (["float32", "bfloat16", "fp8"] as const).map((dtype) =>
      run(`train-${preset}-${dtype}`, `train --preset ${preset} --dtype ${dtype}`, true),
    ),
  );
  const single = [
    run("train-1-thread", "train --preset small --threads 1"),
    run("prefill-1-thread", "prefill --threads 1"),
    run("decode-1-thread", "decode --weights int8 --depths 0 --threads 1"),
    run("javascript-1-thread", "javascript --threads 1"),
  ];
  const trained = [
    run("quantization", `quantization --model ${trainedModel} --tokens 8192`),
    run("speculation", `speculation --model ${trainedModel}`),
  ];
  return [
    run("kernels", "kernels", true),
    ...training,
    run("train-fp8-beside-bfloat16", "train --preset small --dtype fp8 --beside bfloat16"),
    run("train-experts", "train --preset small --dtype bfloat16 --experts 8,16,32,64,128"),
    run("prefill", "prefill", true),
    run("prefill-int8", "prefill --weights int8", true),
    run("decode-bf16", "decode --depths 0,512,4096", true),
    run("decode-int8", "decode --weights int8 --depths 0,512,1024,2048,4096", true),
    run("decode-fp8", "decode --weights fp8 --depths 0,512,4096", true),
    run("decode-batch", "decode --batch 16 --depths 0"),
    run("decode-batch-int8", "decode --weights int8 --batch 4,16 --depths 0"),
    ...(cores > 1 ? single : []),
    run("javascript", "javascript"),
    run("tokenizer", "tokenizer", true),
    ...(isTrained ? trained : []),
    run("load", "load"),
    run("load-8gb", "load --preset moonlight-16b-a3b --gigabytes 8"),
    run("serve", "serve", true),
    run("serve-int8", "serve --weights int8 --scenario single", true),
  ];
}

/** The same benches on toy sizes, to see that they run: under a minute, and the figures mean nothing. */
export function quickRuns(): BenchRun[] {
  const run = (name: string, words: string, hasPeer = false): BenchRun => ({ name, words: words.split(" "), hasPeer });
  return [
    run("kernels", "kernels --quick --repeats 2", true),
    run("train", "train --preset tiny --steps 1 --batch 2 --length 64 --experts 16,32"),
    run("prefill", "prefill --preset tiny --tokens 64 --repeats 2"),
    run("decode", "decode --preset tiny --depths 0,64 --tokens 4 --repeats 2"),
    run("decode-batch", "decode --preset tiny --weights int8 --batch 16 --depths 8 --tokens 4 --repeats 2"),
    run("javascript", "javascript --train tiny --decode tiny --threads 1 --repeats 2"),
    run("tokenizer", "tokenizer --megabytes 0.5 --vocab-size 512 --repeats 2", true),
    run("load", "load --preset small --repeats 2"),
    run(
      "serve",
      "serve --preset tiny --repeats 2 --concurrency 1,2 --prompt-tokens 32 --tokens 8 --shared-prefix 96 --long-prompt 512",
    ),
  ];
}

export interface AllOptions {
  /** The command's own file, to start again. */
  readonly mainFile: string;
  readonly runs: readonly BenchRun[];
  readonly withPeers: boolean;
  /** Where results are stored; null = nowhere. */
  readonly folder: string | null;
  readonly say: Say;
}

export interface AllResults {
  readonly results: readonly StoredResult[];
  /** Runs that failed, each with its last line. */
  readonly failures: readonly { readonly name: string; readonly reason: string }[];
  /** Largest difference between the clock here and those of the processes, as a share; sections under half a second do not count. */
  readonly clockDifference: number;
}

export async function benchAll(options: AllOptions): Promise<AllResults> {
  const results: StoredResult[] = [];
  const failures: { name: string; reason: string }[] = [];
  let clockDifference = 0;
  for (const { name, words, hasPeer } of options.runs) {
    const args = ["bench", ...words, ...(hasPeer && options.withPeers ? ["--peer"] : []), "--json"];
    options.say(`fathom ${args.slice(0, -1).join(" ")}`);
    const { line, reason, difference } = await runApart(options.mainFile, args, options.say);
    clockDifference = Math.max(clockDifference, difference);
    if (line === null) {
      failures.push({ name, reason });
      continue;
    }
    const result = parseResult(JSON.parse(line), name);
    const stored: StoredResult = {
      command: result.command,
      date: result.date,
      machine: result.machine,
      versions: result.versions,
      floors: result.floors,
      stolenShare: result.stolenShare ?? null,
      rows: result.rows,
    };
    results.push(stored);
    if (options.folder !== null) saveResult(join(options.folder, `${name}.json`), stored);
  }
  return { results, failures, clockDifference };
}

interface RunApart {
  /** The line of JSON, or null for a run that failed. */
  readonly line: string | null;
  readonly reason: string;
  readonly difference: number;
}

function runApart(mainFile: string, args: readonly string[], say: Say): Promise<RunApart> {
  const child = spawn(process.execPath, [mainFile, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let reason = "";
  let difference = 0;
  const begun = new Map<string, number>();
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    out += part;
  });
  createInterface({ input: child.stderr }).on("line", (line) => {
    reason = line;
    const mark = parseMark(line);
    if (!mark) {
      say(line);
      return;
    }
    const now = performance.now();
    if (mark.seconds === null) {
      begun.set(mark.name, now);
      return;
    }
    const outside = (now - (begun.get(mark.name) ?? Number.NaN)) / 1000;
    say(`  ${mark.name}: ${mark.seconds.toFixed(2)} s`);
    if (mark.seconds >= 0.5) difference = Math.max(difference, Math.abs(outside - mark.seconds) / mark.seconds);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      const line = out.trimEnd().split("\n").at(-1) ?? "";
      resolve({ line: code === 0 && line.startsWith("{") ? line : null, reason, difference });
    });
  });
}
