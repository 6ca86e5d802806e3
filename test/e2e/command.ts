/**
 * Runs the built command line as a script would (`node dist/cli/main.js …`) and holds the parts that its tests share: a model of 50,000
 * parameters and the text it is trained on, the repository's own sources. `scripts/run-tests.mjs` builds first.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const mainFile = join(root, "dist", "cli", "main.js");

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

export interface RunOptions {
  /** Folder to run in. Default: the repository. */
  readonly cwd?: string;
  /** Changes to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Largest file that the command may write, in blocks of 512 bytes; a longer one fails with EFBIG, as a full disk does with ENOSPC. */
  readonly maxFileBlocks?: number;
  /** A command that takes longer is killed, and its code is null. Default 100. */
  readonly maxSeconds?: number;
}

/** Runs any program to its end. */
export function runProgram(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  if (program === process.execPath && !existsSync(mainFile)) throw new Error(`${mainFile} is missing: npm run build`);
  const begun = performance.now();
  const [file, words] =
    options.maxFileBlocks === undefined
      ? [program, args]
      : ["sh", ["-c", `ulimit -f ${options.maxFileBlocks} && exec "$@"`, "sh", program, ...args]];
  const child = spawn(file, words, {
    cwd: options.cwd ?? root,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: (options.maxSeconds ?? 100) * 1000,
    killSignal: "SIGKILL",
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) =>
      resolve({
        code,
        stdout: Buffer.concat(out).toString("utf8"),
        stderr: Buffer.concat(err).toString("utf8"),
        seconds: (performance.now() - begun) / 1000,
      }),
    );
  });
}

/** Runs `fathom` with these arguments. */
export function fathom(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return runProgram(process.execPath, [mainFile, ...args], options);
}

/** Runs `fathom … --json`, which must succeed and print one line. @returns the object of that line */
export async function fathomJson(
  args: readonly string[],
  options: RunOptions = {},
): Promise<Readonly<Record<string, unknown>>> {
  const { code, stdout, stderr } = await fathom([...args, "--json"], options);
  if (code !== 0) throw new Error(`fathom ${args.join(" ")}: exit code ${code}: ${stderr}`);
  const lines = stdout.split("\n");
  if (lines.length !== 2 || lines[1] !== "") {
    throw new Error(`fathom ${args.join(" ")}: expected one line on standard output, got ${JSON.stringify(stdout)}`);
  }
  const value: unknown = JSON.parse(lines[0] ?? "");
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error(`fathom ${args.join(" ")}: expected an object, got ${lines[0]}`);
  }
  return value as Readonly<Record<string, unknown>>;
}

export const vocabSize = 320;

/** MLA, experts in groups, one MTP module. */
export const smallConfig = {
  model_type: "deepseek_v3",
  vocab_size: vocabSize,
  hidden_size: 32,
  num_hidden_layers: 2,
  intermediate_size: 64,
  moe_intermediate_size: 32,
  first_k_dense_replace: 1,
  n_routed_experts: 4,
  n_shared_experts: 1,
  num_experts_per_tok: 2,
  n_group: 2,
  topk_group: 1,
  num_attention_heads: 2,
  q_lora_rank: 16,
  kv_lora_rank: 16,
  qk_nope_head_dim: 16,
  qk_rope_head_dim: 8,
  v_head_dim: 16,
  num_nextn_predict_layers: 1,
  max_position_embeddings: 64,
} as const;

/** Text of the repository. */
export const corpus = join(root, "src", "data");
