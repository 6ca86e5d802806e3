/**
 * Finding and starting the programs that we compare with: PyTorch, oneDNN, llama.cpp, @huggingface/tokenizers. Their scripts lie in
 * bench/peers/; what they compile or write goes into a folder outside the repository, and nothing of them is part of the product.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isObject, readJson } from "../files/json.js";
import { type Peer, type RunningPeer, startPeer } from "./peerProcess.js";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const scripts = join(root, "bench", "peers");

/** Where peers are installed, compiled and given their models; FATHOM_PEERS names another folder. */
export function peersFolder(): string {
  return process.env.FATHOM_PEERS ?? join(tmpdir(), "fathom-peers");
}

/** Starts a peer, or tells what it lacks. @param advice how to install it */
async function startOr(advice: string, start: () => Promise<RunningPeer>): Promise<Peer> {
  try {
    return await start();
  } catch (error) {
    return { missing: `${advice} (${error instanceof Error ? error.message : String(error)})` };
  }
}

const torchAdvice = "PyTorch does not run here: pip install torch numpy";

export interface TorchBest {
  readonly mode: string;
  readonly peakMemoryBytes: number;
}

/** Tries float32 eager, bfloat16 autocast and torch.compile. @returns the fastest, or what is missing */
export function fastestTorchMode(
  preset: string,
  threads: number,
  steps: number,
): TorchBest | { readonly missing: string } {
  const script = join(scripts, "torch_train.py");
  const args = [script, preset, "--threads", String(threads), "--steps", String(steps), "--mode", "all"];
  // Its progress is ours: three modes of a large model take minutes.
  const { stdout, error } = spawnSync("python3", args, {
    encoding: "utf8",
    env: ompEnv(threads),
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = (stdout ?? "").trim().split("\n");
  const results = lines.filter((line) => line.startsWith("{")).map((line): unknown => JSON.parse(line));
  const best = results.filter(isObject).find((result) => isObject(result.best))?.best;
  if (isObject(best)) return { mode: String(best.mode), peakMemoryBytes: Number(best.peakMemoryBytes) };
  const reason = error?.message ?? results.filter(isObject).find((result) => "error" in result)?.error ?? "no result";
  return { missing: `${torchAdvice} (${String(reason)})` };
}

/** A training step of PyTorch per line. */
export function torchPeer(preset: string, threads: number, mode: string): Promise<Peer> {
  const args = [join(scripts, "torch_train.py"), preset, "--threads", String(threads), "--mode", mode, "--serve"];
  return startOr(torchAdvice, () =>
    startPeer(
      { program: "python3", args, env: ompEnv(threads) },
      ({ version }) => `PyTorch ${String(version)}, ${mode}`,
    ),
  );
}

/** A matrix product of oneDNN per line: type, groups, M, N, K. */
export function onednnPeer(threads: number): Promise<Peer> {
  return startOr("oneDNN does not run here: apt-get install libdnnl-dev, and a C++ compiler", () => {
    const program = compiled("onednn/gemm.cpp", ["-ldnnl"]);
    return startPeer({ program, args: [], env: ompEnv(threads) }, ({ version }) => `oneDNN ${String(version)}`);
  });
}

export type LlamaType = "q8_0" | "bf16";

/** Prefill and decoding by llama.cpp on a random model of the preset; see llama/llama_bench.cpp for its lines. */
export function llamaPeer(preset: string, type: LlamaType, threads: number, maxTokens: number): Promise<Peer> {
  const folder = peersFolder();
  const binaries = `@node-llama-cpp/${process.platform}-${process.arch}`;
  const advice = `llama.cpp does not run here: npm install --prefix ${folder} --ignore-scripts ${binaries}, and a C++ compiler`;
  return startOr(advice, () => {
    const libraries = llamaLibraries(folder);
    const program = compiled("llama/llama_bench.cpp", ["-ldl"]);
    const model = join(folder, `${preset}-${type}.gguf`);
    if (!existsSync(model)) {
      const config = join(root, "configs", `${preset}.json`);
      const args = [join(scripts, "llama", "make_gguf.mjs"), config, model, type];
      const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
      if (status !== 0) throw new Error(stderr.trim());
    }
    const args = [libraries, model, String(threads), String(maxTokens)];
    return startPeer({ program, args }, () => `llama.cpp ${llamaVersion(libraries)}, ${type.toUpperCase()}`);
  });
}

/**
 * Decoding through node-llama-cpp's interface; see llama/node_api.mjs for its lines.
 * @param writeModel writes the GGUF file, if the package is there
 */
export function nodeLlamaPeer(
  writeModel: () => Promise<{ readonly path: string; readonly type: LlamaType }>,
  threads: number,
  maxTokens: number,
): Promise<Peer> {
  const folder = peersFolder();
  const advice = `node-llama-cpp does not run here: npm install --prefix ${folder} --ignore-scripts node-llama-cpp`;
  return startOr(advice, async () => {
    const { version } = Object(readJson(join(folder, "node_modules", "node-llama-cpp", "package.json")));
    const { path, type } = await writeModel();
    const args = [join(scripts, "llama", "node_api.mjs"), folder, path, String(threads), String(maxTokens)];
    const name = `node-llama-cpp ${String(version)}, ${type.toUpperCase()}`;
    return startPeer({ program: process.execPath, args }, () => name);
  });
}

/** Those of this machine: npm may have installed other platforms' beside them. @throws Error if there are none */
function llamaLibraries(folder: string): string {
  const packages = join(folder, "node_modules", "@node-llama-cpp");
  const platform = `${process.platform}-${process.arch === "arm" ? "armv7l" : process.arch}`;
  const path = join(packages, platform, "bins", platform);
  const isThere = existsSync(path) && readdirSync(path).some((name) => name.startsWith("libllama"));
  if (!isThere) throw new Error(`${path} holds no libllama`);
  return path;
}

function llamaVersion(libraries: string): string {
  const build = readJson(join(libraries, "_nlcBuildMetadata.json"));
  const options = isObject(build) && isObject(build.buildOptions) ? build.buildOptions : {};
  return isObject(options.llamaCpp) ? String(options.llamaCpp.release) : "";
}

/** Encoding by the JavaScript library that reads the same tokenizer.json; a development dependency of this repository. */
export function hfTokenizersPeer(tokenizerDir: string, textFile: string): Promise<Peer> {
  const args = [join(scripts, "hf_tokenizers.mjs"), tokenizerDir, textFile];
  return startOr("@huggingface/tokenizers does not run here: npm install in the repository", () =>
    startPeer({ program: process.execPath, args }, ({ version }) => `@huggingface/tokenizers ${String(version)}`),
  );
}

function ompEnv(threads: number): Record<string, string> {
  return { ...definedEnv(), OMP_NUM_THREADS: String(threads) };
}

function definedEnv(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}

/** A program compiled from bench/peers/, anew when its source is younger. @throws Error with what the compiler says first */
function compiled(source: string, libraries: readonly string[]): string {
  const folder = peersFolder();
  const file = join(scripts, source);
  const program = join(folder, source.replaceAll("/", "_").replace(/\.cpp$/, ""));
  if (!existsSync(file)) throw new Error(`${file} is missing: it is in the repository, not in the npm package`);
  if (existsSync(program) && statSync(program).mtimeMs > statSync(file).mtimeMs) return program;
  mkdirSync(folder, { recursive: true });
  const partial = `${program}.${process.pid}`;
  const args = ["-O2", "-o", partial, file, ...libraries];
  const { status, stderr, error } = spawnSync("c++", args, { encoding: "utf8" });
  if (status !== 0)
    throw new Error(error?.message ?? stderr.split("\n").find((line) => line.includes("error")) ?? "c++ fails");
  renameSync(partial, program);
  return program;
}
