/**
 * Opening a checkpoint: seconds from starting a process to its first token, by a clock outside that process, the memory that it then holds, and how
 * fast it goes on. Floors: starting Node.js and one read of the weights that the prompt meets; the memory of a Node.js process without a model; one
 * read of a token's weights at the speed of reading them where they lie. Files are in the page cache (warm): a first process that does not
 * count has read them.
 */
import { spawn } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BandwidthProbe, bestFloors, type Floors, measureFloors } from "../train/floors.js";
import { median } from "../train/measure.js";
import { measureSection, type Say, timed } from "./rounds.js";
import { type BenchRow, costRow, rateRow } from "./row.js";

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
  readonly secondsPerToken: number;
  readonly bytesPerToken: number;
  /** Reading all weights where they lie. */
  readonly readBytes: number;
  readonly atEnd: Memory;
}

/** Tokens decoded after the first, of which the later half counts. */
const moreTokens = 64;

export async function benchLoad(
  options: LoadOptions,
): Promise<{ readonly floors: Floors; readonly rows: readonly BenchRow[] }> {
  const { label, directory, promptTokens, repeats, threads, say } = options;
  const before = measureFloors();
  const bytes = tensorFileBytes(directory);
  await openOnce(options);
  const seen: Opened[] = [];
  const starts: number[] = [];
  using probe = new BandwidthProbe();
  const name = `${label}, ${(bytes / 1e9).toPrecision(3)} GB`;
  const { bandwidth } = await measureSection({
    name: `load ${name}`,
    rounds: repeats,
    say,
    probe,
    ours: async () => {
      starts.push(await timed(startNode));
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
  const readBytes = bandwidth?.readBytes ?? floors.readBytes;
  const facts = { bench: "load", threads, at, bytes: touched, per: "call", readBytes } as const;
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
        median(starts) + touched / readBytes,
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
        mib(({ atEnd }) => atEnd.resident),
        base + bytes / 2 ** 20,
      ),
      decodeRow(name, threads, seen, at),
    ],
  };
}

function decodeRow(name: string, threads: number, seen: readonly Opened[], at: BenchRow["at"] = {}): BenchRow {
  const bytes = median(seen.map(({ bytesPerToken }) => bytesPerToken));
  const readBytes = median(seen.map((opened) => opened.readBytes));
  const seconds = seen.map(({ secondsPerToken }) => secondsPerToken);
  const facts = { bench: "load", case: `decode, ${name}`, threads, bytes, per: "token", readBytes, at } as const;
  return rateRow(facts, "tokens/s", 1, seconds, bytes / readBytes);
}

/** A process of Node.js that does nothing. */
function startNode(): Promise<void> {
  const child = spawn(process.execPath, ["-e", ""], { stdio: "ignore" });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", () => resolve());
  });
}

/** @throws RangeError with the process's last words if it fails */
function openOnce({ directory, threads, promptTokens }: LoadOptions): Promise<Opened> {
  const entry = fileURLToPath(new URL("./loadProcess.js", import.meta.url));
  const begun = performance.now();
  const child = spawn(process.execPath, [entry, directory, ...[threads, promptTokens, moreTokens].map(String)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const text = { out: "", err: "" };
  let seconds = Number.NaN;
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    text.out += part;
    if (Number.isNaN(seconds) && text.out.includes("\n")) seconds = (performance.now() - begun) / 1000;
  });
  child.stderr.setEncoding("utf8").on("data", (part: string) => {
    text.err += part;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      const lines = text.out.trim().split("\n");
      const found = (): object => Object.assign({}, ...lines.map((line): unknown => JSON.parse(line)));
      if (code === 0) resolve({ seconds, ...found() } as Opened);
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
