/**
 * Runs of the built command line on a model of a few thousand parameters, whole, interrupted and under mpirun, and what the tests compare of
 * them: metrics without what depends on the clock, and the hash of every file of a checkpoint.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildTokenizerConfig, buildTokenizerJson } from "../../src/tokenizer/newTokenizer.js";
import { Tokenizer } from "../../src/tokenizer/tokenizer.js";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
export const mainFile = join(root, "dist", "cli", "main.js");

export interface Finished {
  /** Null if a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The last line of standard output, if that is an object. */
  readonly json: Readonly<Record<string, unknown>> | null;
  readonly seconds: number;
}

export interface Running {
  readonly child: ChildProcess;
  readonly done: Promise<Finished>;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** What to put before `node main.js`, such as mpirun and its flags. */
  readonly launcher?: readonly string[];
}

/** What a test that failed may have left running. */
const alive = new Set<ChildProcess>();

/** Starts the command line. A process that takes longer than 2 minutes is ended. @throws Error if it is not built */
export function start(args: readonly string[], options: RunOptions = {}): Running {
  if (!existsSync(mainFile)) throw new Error(`${mainFile} is missing: run npm run build first`);
  const [program = process.execPath, ...rest] = [...(options.launcher ?? []), process.execPath, mainFile, ...args];
  const begun = performance.now();
  const child = spawn(program, rest, {
    cwd: options.cwd ?? root,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 120_000,
    killSignal: "SIGKILL",
  });
  alive.add(child);
  child.on("close", () => alive.delete(child));
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (part: string) => {
      text[name] += part;
    });
  }
  const done = new Promise<Finished>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      resolve({ code, signal, ...text, json: lastObject(text.stdout), seconds: (performance.now() - begun) / 1000 });
    });
  });
  return { child, done };
}

/** Runs the command line to its end. */
export function run(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return start(args, options).done;
}

function lastObject(stdout: string): Readonly<Record<string, unknown>> | null {
  const line = stdout.trimEnd().split("\n").at(-1) ?? "";
  if (!line.startsWith("{")) return null;
  return JSON.parse(line) as Record<string, unknown>;
}

export interface Workplace {
  readonly folder: string;
  /** Arguments of `pretrain`: model, text, tokenizer, sizes of a step; one thread, float32. */
  readonly args: readonly string[];
  /** Ends what still runs and removes the folder. */
  readonly remove: () => void;
}

export const smallConfig: Readonly<Record<string, unknown>> = {
  model_type: "deepseek_v3",
  hidden_size: 32,
  num_hidden_layers: 2,
  intermediate_size: 64,
  moe_intermediate_size: 16,
  first_k_dense_replace: 1,
  n_routed_experts: 8,
  n_shared_experts: 1,
  num_experts_per_tok: 2,
  n_group: 4,
  topk_group: 2,
  num_attention_heads: 2,
  q_lora_rank: 16,
  kv_lora_rank: 16,
  qk_nope_head_dim: 8,
  qk_rope_head_dim: 8,
  v_head_dim: 8,
  num_nextn_predict_layers: 1,
  max_position_embeddings: 64,
};

/** A temporary folder with a model's config, a tokenizer of single bytes, and text: files of this repository's own sources. */
export function workplace(name: string): Workplace {
  const folder = mkdtempSync(join(tmpdir(), `fathom-${name}-`));
  const tokenizer = Tokenizer.fromJson(buildTokenizerJson([]), buildTokenizerConfig());
  tokenizer.save(join(folder, "tokenizer"));
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...smallConfig, vocab_size: tokenizer.vocabSize }));
  const text = join(folder, "text");
  mkdirSync(text);
  const sources = join(root, "src", "data");
  for (const file of readdirSync(sources)) {
    if (file.endsWith(".ts")) copyFileSync(join(sources, file), join(text, file));
  }
  const files = ["--config", join(folder, "config.json"), "--tokenizer", join(folder, "tokenizer"), "--data", text];
  const sizes = ["--length", "32", "--batch", "8", "--micro-batch", "2", "--warmup-steps", "5"];
  // Few held-out bytes: a validation costs as much as a few steps.
  const other = ["--validation-fraction", "0.02", "--samples", "0", "--threads", "1", "--dtype", "float32", "--json"];
  return {
    folder,
    args: ["pretrain", ...files, ...sizes, ...other],
    remove: () => {
      for (const child of alive) child.kill(child.spawnfile === "mpirun" ? "SIGTERM" : "SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The complete lines of metrics.jsonl; none if it is not there yet. */
export function metricsOf(folder: string): Readonly<Record<string, unknown>>[] {
  const path = join(folder, "metrics.jsonl");
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

const ofTheClock = ["tokensPerSecond", "peakFraction", "memoryBytes", "seconds"];

/** Steps and validations of a run without what depends on the clock: what two equal runs have in common, to the bit. */
export function reproducible(folder: string): Readonly<Record<string, unknown>>[] {
  return metricsOf(folder)
    .filter(({ kind }) => kind === "step" || kind === "validation")
    .map((event) => Object.fromEntries(Object.entries(event).filter(([key]) => !ofTheClock.includes(key))));
}

/** The last step that a run has written down; 0 before the first. */
export function lastStep(folder: string): number {
  const steps = metricsOf(folder).filter(({ kind }) => kind === "step");
  return Number(steps.at(-1)?.step ?? 0);
}

/** Names of the complete checkpoints, oldest first. */
export function checkpointsOf(folder: string): string[] {
  const names = entriesOf(join(folder, "checkpoints"));
  return names.filter((name) => /^step-\d{8}$/.test(name)).sort();
}

/** Names of a folder, none if it is not there or just goes. */
export function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** SHA-256 of every file of a checkpoint by name. */
export function hashesOf(checkpoint: string): Record<string, string> {
  const names = readdirSync(checkpoint).sort();
  return Object.fromEntries(
    names.map((name) => [
      name,
      createHash("sha256")
        .update(readFileSync(join(checkpoint, name)))
        .digest("hex"),
    ]),
  );
}

/** The hashes of the newest checkpoint's files. @throws Error if there is none */
export function newestHashes(folder: string): Record<string, string> {
  const newest = checkpointsOf(folder).at(-1);
  if (newest === undefined) throw new Error(`${folder}: no checkpoint`);
  return hashesOf(join(folder, "checkpoints", newest));
}

/** Waits until `isTrue`, asked every `everyMs` milliseconds, or until the process ends. @returns whether it came true */
export async function until(running: Running, isTrue: () => boolean, everyMs = 5): Promise<boolean> {
  while (running.child.exitCode === null && running.child.signalCode === null) {
    if (isTrue()) return true;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  return false;
}
