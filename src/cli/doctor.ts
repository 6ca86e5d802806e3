/** `fathom doctor`: what this machine has of what the program uses, and how to get what is missing. */
import { spawnSync } from "node:child_process";
import { existsSync, statfsSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";
import { Command } from "commander";
import { act, grouped, type Outcome, table } from "./output.js";

interface Finding {
  readonly name: string;
  readonly isThere: boolean;
  readonly detail: string;
  /** What it is for, and how to get it. */
  readonly advice: string;
}

export function doctorCommand(): Command {
  const command = new Command("doctor")
    .description("Show what this machine has: processor, memory, compiler, MPI, browser, Python.")
    .option("--floors", "measure arithmetic and memory speed too (a few seconds)")
    .addHelpText("after", "\nExamples:\n  fathom doctor\n  fathom doctor --floors --json");
  return act<{ floors?: boolean }>(command, (_, { floors }) => doctor(floors ?? false));
}

async function doctor(floors: boolean): Promise<Outcome> {
  const findings = [
    nodeVersion(),
    program("C++ compiler", ["c++", "g++", "clang++"], "builds the kernels: apt-get install g++, or Xcode's tools"),
    program("MPI", ["mpicxx", "mpic++"], "training with several processes: apt-get install openmpi-bin libopenmpi-dev"),
    program("MPI launcher", ["mpirun"], "starts several processes: apt-get install openmpi-bin"),
    program(
      "browser",
      ["chromium", "google-chrome", "chromium-browser"],
      "only to look at reports from a script: apt-get install chromium",
    ),
    program("Python", ["python3"], "only to compare with PyTorch and transformers"),
  ];
  const { native } = await import("../tensor/native.js");
  const [isas, isa] = [native().isas(), native().isa()];
  const disk = statfsSync(".");
  const machine = {
    processor: cpus()[0]?.model ?? "unknown",
    threads: availableParallelism(),
    memoryBytes: totalmem(),
    freeDiskBytes: disk.bavail * disk.bsize,
    instructionSets: isas.split(","),
    instructionSet: isa,
  };
  const measured = floors ? (await import("../train/floors.js")).measureFloors() : null;
  const lines = [
    ["processor", machine.processor],
    ["threads", String(machine.threads)],
    ["memory", `${grouped(machine.memoryBytes / 2 ** 20)} MiB`],
    ["free disk here", `${grouped(machine.freeDiskBytes / 2 ** 20)} MiB`],
    ["kernels", `${isa} (this processor runs ${isas}; FATHOM_ISA chooses)`],
    ...(measured
      ? [
          ["f32 peak", `${(measured.f32Flops / 1e9).toFixed(0)} GFLOP/s`],
          ["bf16 peak", `${(measured.bf16Flops / 1e9).toFixed(0)} GFLOP/s`],
          ["memory read", `${(measured.readBytes / 1e9).toFixed(1)} GB/s`],
          ["memory triad", `${(measured.triadBytes / 1e9).toFixed(1)} GB/s`],
        ]
      : []),
    ...findings.map(({ name, isThere, detail, advice }) => [name, isThere ? detail : `missing (${advice})`]),
  ];
  return { result: { ...machine, floors: measured, tools: findings }, text: table(lines) };
}

function nodeVersion(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const isThere = major > 20 || (major === 20 && minor >= 19);
  return { name: "Node.js", isThere, detail: process.versions.node, advice: "20.19 or later is needed" };
}

function program(name: string, commands: readonly string[], advice: string): Finding {
  for (const command of commands) {
    const path = (process.env.PATH ?? "")
      .split(":")
      .find((folder) => folder !== "" && existsSync(`${folder}/${command}`));
    if (path === undefined) continue;
    const { stdout, stderr } = spawnSync(command, ["--version"], { encoding: "utf8", timeout: 10_000 });
    const version = `${stdout ?? ""}${stderr ?? ""}`.split("\n")[0]?.trim() ?? "";
    return { name, isThere: true, detail: version === "" ? command : version, advice };
  }
  return { name, isThere: false, detail: "", advice };
}
