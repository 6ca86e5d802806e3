/**
 * Training runs, whole, interrupted and under mpirun: where they work, and what the tests compare of them: metrics without what depends on the clock, and the hash of every file of a checkpoint.
 */
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
import { join } from "node:path";
import { buildTokenizerConfig, buildTokenizerJson } from "../../src/tokenizer/newTokenizer.js";
import { Tokenizer } from "../../src/tokenizer/tokenizer.js";
import { corpus, endAll, type Running, smallConfig } from "./command.js";

export interface Workplace {
  readonly folder: string;
  /** Arguments of `pretrain`: model, text, tokenizer, sizes of a step; one thread, float32. */
  readonly args: readonly string[];
  /** Ends what still runs and removes the folder. */
  readonly remove: () => void;
}

/** A temporary folder with a model's config, a tokenizer of single bytes, and text: files of this repository's own sources. */
export function workplace(name: string): Workplace {
  const folder = mkdtempSync(join(tmpdir(), `fathom-${name}-`));
  const tokenizer = Tokenizer.fromJson(buildTokenizerJson([]), buildTokenizerConfig());
  tokenizer.save(join(folder, "tokenizer"));
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...smallConfig, vocab_size: tokenizer.vocabSize }));
  const text = join(folder, "text");
  mkdirSync(text);
  for (const file of readdirSync(corpus)) {
    if (file.endsWith(".ts")) copyFileSync(join(corpus, file), join(text, file));
  }
  const files = ["--config", join(folder, "config.json"), "--tokenizer", join(folder, "tokenizer"), "--data", text];
  const sizes = ["--length", "32", "--batch", "8", "--micro-batch", "2", "--warmup-steps", "5"];
  // Few held-out bytes: a validation costs as much as a few steps.
  const other = ["--validation-fraction", "0.02", "--samples", "0", "--threads", "1", "--dtype", "float32", "--json"];
  return {
    folder,
    args: ["pretrain", ...files, ...sizes, ...other],
    remove: () => {
      endAll();
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
