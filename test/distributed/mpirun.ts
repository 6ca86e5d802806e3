/** Runs small programs under the real mpirun. Where there is none the tests fail with what to install; they are never skipped. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { mpiAddonPath, mpiInstallHint } from "../../src/distributed/mpi.js";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const source = join(root, "src", "distributed");
/** As deep as src/distributed's compiled form, so that the addon is found beside it. */
const compiled = join(root, "build", "mpi-test");

export interface JobResult {
  /** mpirun's exit code. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

/** Flags for root and for more ranks than cores. @throws Error if there is no mpirun */
export function mpirunFlags(): string[] {
  const { status, stdout } = spawnSync("mpirun", ["--version"], { encoding: "utf8" });
  if (status !== 0) throw new Error(`mpirun is missing: ${mpiInstallHint}`);
  return stdout.includes("Open MPI") ? ["--allow-run-as-root", "--oversubscribe"] : [];
}

/** src/distributed as JavaScript, file by file, and the addon: what the programs of `runRanks` import as "./x.js". */
export function prepareRanks(): void {
  mpirunFlags();
  spawnSync(process.execPath, [join(root, "scripts", "build-comm.mjs")], { stdio: "inherit" });
  if (!existsSync(mpiAddonPath)) throw new Error(`the MPI addon was not built: ${mpiInstallHint}`);
  mkdirSync(compiled, { recursive: true });
  const compilerOptions = {
    module: ts.ModuleKind.ESNext,
    target: ts.ScriptTarget.ES2022,
    verbatimModuleSyntax: true,
  };
  for (const name of readdirSync(source)) {
    if (!name.endsWith(".ts") || name.endsWith(".test.ts")) continue;
    const { outputText } = ts.transpileModule(readFileSync(join(source, name), "utf8"), { compilerOptions });
    writeFileSync(join(compiled, name.replace(/\.ts$/, ".js")), outputText);
  }
}

export interface RunOptions {
  /** Puts a shell between mpirun and the program. */
  readonly isWrapped?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** Called with everything written to standard output so far, whenever that grows. */
  readonly onOutput?: (stdout: string) => void;
}

/** Runs `program` (an ES module's text; imports openWorld and friends as "./open.js") on so many ranks. */
export async function runRanks(ranks: number, program: string, options: RunOptions = {}): Promise<JobResult> {
  const file = join(compiled, `rank-${process.pid}-${Math.random().toString(36).slice(2)}.mjs`);
  writeFileSync(file, program);
  const started = performance.now();
  const wrapper = options.isWrapped ? ["sh", "-c", '"$0" "$1"; exit $?'] : [];
  const command = [...mpirunFlags(), "-n", String(ranks), ...wrapper, process.execPath, file];
  const child = spawn("mpirun", command, {
    cwd: root,
    env: { ...process.env, ...options.env },
    timeout: 120_000,
    killSignal: "SIGKILL",
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    options.onOutput?.(stdout);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  }).finally(() => rmSync(file));
  return { code, stdout, stderr, seconds: (performance.now() - started) / 1000 };
}
