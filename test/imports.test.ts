import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const src = resolve(dirname(fileURLToPath(import.meta.url)), "../src");

/** Which folder may import which, besides its own; an entry with a slash allows that one file. `*` is everything. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  tensor: [],
  distributed: ["tensor"],
  tokenizer: [],
  // Runs what a model wrote: it knows nothing of models, data or rewards.
  sandbox: [],
  data: ["tokenizer"],
  model: ["tensor", "distributed/communicator"],
  checkpoint: ["model", "tensor", "distributed"],
  generate: ["model", "tensor", "tokenizer", "checkpoint"],
  eval: ["generate", "data", "checkpoint", "tokenizer", "model", "tensor", "sandbox"],
  train: ["model", "tensor", "data", "tokenizer", "checkpoint", "distributed", "eval/bitsPerByte"],
  // A stage loads a base, holds a reference beside it, and saves: through the same parts as pre-training.
  posttrain: [
    ...["train", "generate", "eval", "data", "tokenizer", "sandbox"],
    ...["model", "checkpoint", "distributed", "tensor/dtype"],
  ],
  // The page shows a model's sizes and a run's events, which are plain arithmetic and plain types.
  serve: ["generate", "tokenizer", "checkpoint", "model/config", "model/flops", "train/events"],
  plan: ["model/config", "model/flops", "distributed/schedule", "distributed/eplb"],
  report: ["train/events"],
  bench: [
    ...["tensor", "distributed", "tokenizer", "data", "model", "checkpoint", "generate", "eval", "train"],
    ...["posttrain", "serve", "plan", "report", "sandbox"],
  ],
  cli: ["*"],
};

/** Files that stand alone and may be used from everywhere: text errors, atomic files. */
const shared = ["files"];

function sources(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return sources(path);
    return path.endsWith(".ts") && !path.endsWith(".test.ts") ? [path] : [];
  });
}

test("each folder imports only what the table of who may know what allows", () => {
  const wrong: string[] = [];
  for (const file of sources(src)) {
    const from = relative(src, file);
    const room = from.includes("/") ? from.split("/")[0]! : "";
    if (room === "" || allowed[room]?.includes("*")) continue;
    for (const [, specifier] of readFileSync(file, "utf8").matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)) {
      const target = relative(src, resolve(dirname(file), specifier!)).replace(/\.js$/, "");
      const targetRoom = target.includes("/") ? target.split("/")[0]! : target;
      if (targetRoom === room || shared.includes(targetRoom)) continue;
      const rooms = allowed[room];
      if (rooms === undefined) wrong.push(`${from}: folder ${room} is not in the table`);
      else if (!rooms.includes(targetRoom) && !rooms.includes(target)) wrong.push(`${from} imports ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("only tensor/native.ts and the MPI communicator load a native addon", () => {
  const loaders = sources(src)
    .filter((file) => /process\.dlopen|\.node["'`]/.test(readFileSync(file, "utf8")))
    .map((file) => relative(src, file));
  expect(loaders.filter((file) => file !== "tensor/native.ts" && file !== "distributed/mpi.ts")).toEqual([]);
});
