/**
 * Opening a checkpoint: seconds from starting a process to its first token, by a clock outside that process, and the memory that it then holds.
 * Floors: one read of the weights that the prompt meets, and the memory of a Node.js process without a model. Files are in the page cache
 * (warm): a first process that does not count has read them.
 */
import { spawn } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bestFloors, type Floors, measureFloors } from "../train/floors.js";
import { median } from "../train/measure.js";
import { measureSection, type Say } from "./rounds.js";
import { type BenchRow, costRow } from "./row.js";

export interface LoadOptions {
  /** What the rows call it. */
  readonly label: string;
  readonly directory: string;
  readonly promptTokens: number;
  readonly repeats: number;
  readonly threads: number;
  readonly say: Say;
}

interface Memory {
  readonly resident: number;
  readonly anonymous: number;
}

interface Opened {
  readonly seconds: number;
  readonly before: Memory;
  readonly after: Memory;
  readonly touchedBytes: number;
}

export async function benchLoad(
  options: LoadOptions,
): Promise<{ readonly floors: Floors; readonly rows: readonly BenchRow[] }> {
  const { label, directory, promptTokens, repeats, threads, say } = options;
  const before = measureFloors();
  const bytes = tensorFileBytes(directory);
  await openOnce(options);
  const seen: Opened[] = [];
  const name = `${label}, ${(bytes / 1e9).toPrecision(3)} GB`;
  await measureSection({
    name: `load ${name}`,
    rounds: repeats,
    say,
    ours: async () => {
      const opened = await openOnce(options);
      seen.push(opened);
      return opened.seconds;
    },
  });
  const floors = bestFloors(before, measureFloors());
  const mib = (of: (opened: Opened) => number): number[] => seen.map((opened) => of(opened) / 2 ** 20);
  const touched = median(seen.map(({ touchedBytes }) => touchedBytes));
  const base = median(mib((opened) => opened.before.anonymous));
  const at = { checkpointMiB: bytes / 2 ** 20, promptTokens };
  const facts = { bench: "load", threads, at, bytes: touched, per: "call" } as const;
  const row = (
    what: string,
    ...[unit, samples, floor]: [BenchRow["unit"] & ("s" | "MiB"), number[], number]
  ): BenchRow => costRow({ ...facts, case: `${what}, ${name}` }, unit, samples, floor);
  return {
    floors,
    rows: [
      row(
        "first token",
        "s",
        seen.map(({ seconds }) => seconds),
        touched / floors.readBytes,
      ),
      row(
        "memory of its own",
        "MiB",
        mib(({ after }) => after.anonymous),
        base,
      ),
      row(
        "resident memory",
        "MiB",
        mib(({ after }) => after.resident),
        base + touched / 2 ** 20,
      ),
    ],
  };
}

/** @throws RangeError with the process's last words if it fails */
function openOnce({ directory, threads, promptTokens }: LoadOptions): Promise<Opened> {
  const entry = fileURLToPath(new URL("./loadProcess.js", import.meta.url));
  const begun = performance.now();
  const child = spawn(process.execPath, [entry, directory, String(threads), String(promptTokens)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const text = { out: "", err: "" };
  let seconds = Number.NaN;
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    text.out += part;
    if (text.out.endsWith("\n")) seconds = (performance.now() - begun) / 1000;
  });
  child.stderr.setEncoding("utf8").on("data", (part: string) => {
    text.err += part;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve({ seconds, ...(JSON.parse(text.out) as Omit<Opened, "seconds">) });
      else reject(new RangeError(`bench load: ${directory} does not open: ${errorLine(text.err) ?? `exit ${code}`}`));
    });
  });
}

function errorLine(text: string): string | undefined {
  return text.split("\n").find((line) => /^\w*Error/.test(line)) ?? text.trim().split("\n").at(-1);
}

/** @throws RangeError if there are none */
function tensorFileBytes(directory: string): number {
  const files = readdirSync(directory).filter((name) => name.endsWith(".safetensors"));
  if (files.length === 0) throw new RangeError(`${directory}: no safetensors file`);
  return files.reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
}
