/**
 * Runs the built command line as a script would (`node dist/cli/main.js …`) and holds the parts that its tests share: a model of 50,000
 * parameters and the text it is trained on, the repository's own sources. `scripts/run-tests.mjs` builds first.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const mainFile = join(root, "dist", "cli", "main.js");

export interface Ran {
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
  readonly done: Promise<Ran>;
}

export interface RunOptions {
  /** Folder to run in. Default: the repository. */
  readonly cwd?: string;
  /** Changes to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** What to put before `node main.js`, such as mpirun and its flags. */
  readonly launcher?: readonly string[];
  /** Largest file that the command may write, in blocks of 512 bytes; a longer one fails with EFBIG, as a full disk does with ENOSPC. */
  readonly maxFileBlocks?: number;
  /** A command that takes longer is killed, and its code is null. Default 120. */
  readonly maxSeconds?: number;
}

/** What a test that failed may have left running. */
const alive = new Set<ChildProcess>();

/** Starts any program. */
export function startProgram(program: string, args: readonly string[], options: RunOptions = {}): Running {
  const limited =
    options.maxFileBlocks === undefined ? [] : ["sh", "-c", `ulimit -f ${options.maxFileBlocks} && exec "$@"`, "sh"];
  const [file = program, ...words] = [...limited, ...(options.launcher ?? []), program, ...args];
  const begun = performance.now();
  const child = spawn(file, words, {
    cwd: options.cwd ?? root,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: (options.maxSeconds ?? 120) * 1000,
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
  const done = new Promise<Ran>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      resolve({ code, signal, ...text, json: lastObject(text.stdout), seconds: (performance.now() - begun) / 1000 });
    });
  });
  return { child, done };
}

function lastObject(stdout: string): Readonly<Record<string, unknown>> | null {
  const line = stdout.trimEnd().split("\n").at(-1) ?? "";
  if (!line.startsWith("{")) return null;
  return JSON.parse(line) as Record<string, unknown>;
}

/** Ends what still runs: for a test that failed. */
export function endAll(): void {
  for (const child of alive) child.kill(child.spawnfile === "mpirun" ? "SIGTERM" : "SIGKILL");
}

/** Runs any program to its end. */
export function runProgram(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return startProgram(program, args, options).done;
}

/** Starts `fathom` with these arguments. @throws Error if it is not built */
export function start(args: readonly string[], options: RunOptions = {}): Running {
  if (!existsSync(mainFile)) throw new Error(`${mainFile} is missing: npm run build`);
  return startProgram(process.execPath, [mainFile, ...args], options);
}

/** Runs `fathom` to its end. */
export function fathom(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return start(args, options).done;
}

/** Runs `fathom … --json`, which must succeed and print one line. @returns the object of that line */
export async function fathomJson(
  args: readonly string[],
  options: RunOptions = {},
): Promise<Readonly<Record<string, unknown>>> {
  const { code, stdout, stderr, json } = await fathom([...args, "--json"], options);
  if (code !== 0) throw new Error(`fathom ${args.join(" ")}: exit code ${code}: ${stderr}`);
  const { length } = stdout.split("\n");
  if (length !== 2 || !json) {
    throw new Error(`fathom ${args.join(" ")}: expected one line with an object, got ${JSON.stringify(stdout)}`);
  }
  return json;
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
