/**
 * Bad input at the command line: each mistake ends with exit code 1 or 2 and one line on standard error that names the file, key or offset,
 * what was expected and what was found, and leaves nothing behind. Headers mutated at random are in src/checkpoint/safetensors.test.ts.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { corpus, fathom, fathomJson, mainFile, type RunOptions, root, runProgram, smallConfig } from "./command.js";

let folder = "";
let tokenizer = "";
let config = "";
let model = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fathom-bad-input-"));
  tokenizer = join(folder, "tokenizer");
  config = join(folder, "config.json");
  model = join(folder, "model");
  writeFileSync(config, JSON.stringify(smallConfig));
  mkdirSync(at("empty-folder"));
  writeFileSync(at("empty.txt"), "");
  writeFileSync(at("file.txt"), "a text\n");
  writeFileSync(at("binary.txt"), "ab\0cd");
  writeFileSync(at("latin1.txt"), Buffer.from("caf\xe9 au lait\n", "latin1"));
  await fathomJson(["tokenizer", "train", "--data", corpus, "--vocab-size", "320", "--out", tokenizer]);
  await fathomJson(["init", config, "--out", model]);
  for (const name of readdirSync(tokenizer)) cpSync(join(tokenizer, name), join(model, name));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const at = (...names: readonly string[]): string => join(folder, ...names);

/**
 * Runs a command that must fail.
 * @param parts texts of which each must stand in the one line that begins with "fathom: "
 */
async function refused(
  args: readonly string[],
  code: 1 | 2,
  parts: readonly (string | RegExp)[],
  options: RunOptions = {},
): Promise<void> {
  const out = args[args.indexOf("--out") + 1];
  const isNew = args.includes("--out") && out !== undefined && !existsSync(out);
  const ran = await fathom([...args, "--json"], options);
  const where = `fathom ${args.join(" ")}\n${ran.stderr}`;
  expect(ran.code, where).toBe(code);
  expect(ran.stdout, where).toBe("");
  expect(ran.stderr, where).not.toMatch(/^ {4}at /m);
  const lines = ran.stderr.trimEnd().split("\n");
  expect(lines.filter((line) => line.startsWith("fathom: ")).length, where).toBe(1);
  const last = lines.at(-1) ?? "";
  expect(last, where).toMatch(/^fathom: /);
  for (const part of parts) {
    if (typeof part === "string") expect(last, where).toContain(part);
    else expect(last, where).toMatch(part);
  }
  if (isNew) expect(existsSync(out), `${where}left ${out}`).toBe(false);
}

/** Every file below a folder with its hash, every link with its target; without the lock, which is there while a process is. */
function snapshot(directory: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isSymbolicLink()) found[path] = readlinkSync(path);
    else if (entry.isFile() && !entry.name.endsWith("lock.json")) {
      found[path] = createHash("sha256").update(readFileSync(path)).digest("hex");
    }
  }
  return found;
}

const out = (): string => at("out");

describe("data", () => {
  const readers = (data: string): string[][] => [
    ["pretrain", "--config", config, "--tokenizer", tokenizer, "--data", data, "--out", out()],
    ["tokenizer", "train", "--vocab-size", "320", "--data", data, "--out", out()],
    ["data", "prepare", "--tokenizer", tokenizer, "--data", data, "--out", out()],
  ];

  test("that is missing is named, and nothing is written", async () => {
    for (const args of readers(at("nowhere"))) await refused(args, 1, [at("nowhere"), "no such file or folder"]);
    for (const args of readers(at("*.py"))) await refused(args, 1, [at("*.py"), "no file matches"]);
    await refused(["pretrain", "--config", config, "--out", out()], 1, ["no data", "--data"]);
  });

  test("that is empty is named, with what was found instead of text", async () => {
    for (const args of readers(at("empty-folder"))) await refused(args, 1, [at("empty-folder"), "has no files"]);
    for (const args of readers(at("empty.txt")))
      await refused(args, 1, [at("empty.txt"), "no text", "1 files", "empty"]);
    for (const args of readers(at("binary.txt"))) await refused(args, 1, [at("binary.txt"), "no text", "binary"]);
  });

  test("that is binary or not UTF-8 is skipped with a count, or refused by --strict with its offset", async () => {
    const mixed = at("mixed");
    cpSync(join(corpus, "random.ts"), join(mixed, "random.ts"));
    cpSync(join(corpus, "split.ts"), join(mixed, "split.ts"));
    for (const name of ["binary.txt", "latin1.txt", "empty.txt"]) cpSync(at(name), join(mixed, name));
    const prepared = at("prepared");
    expect(
      await fathomJson(["data", "prepare", "--data", mixed, "--tokenizer", tokenizer, "--out", prepared]),
    ).toMatchObject({ sources: [{ skipped: { binary: 1, invalidUtf8: 1, empty: 1 } }] });
    expect(
      await fathomJson(["tokenizer", "train", "--data", mixed, "--vocab-size", "300", "--out", at("mixed-tokenizer")]),
    ).toMatchObject({ documents: 2, skipped: 3 });
    for (const args of readers(at("binary.txt"))) {
      await refused([...args, "--strict"], 1, [at("binary.txt"), "binary file", "offset 2", "expected text"]);
    }
    for (const args of readers(at("latin1.txt"))) {
      await refused([...args, "--strict"], 1, [at("latin1.txt"), "invalid UTF-8 at offset 3"]);
    }
  });

  test("with a malformed line of JSONL is refused with file and line", async () => {
    const cases: readonly (readonly [string, readonly string[]])[] = [
      ['{"text":"one"}\n{"text":"two"\n', [":2", "malformed JSON"]],
      ['{"text":"one"}\n\n[3]\n', [":3", "expected an object"]],
      ['{"text":"one"}\n{"body":"two"}\n', [":2", "expected a field text or content", "body"]],
      ['{"text":7}\n', [":1", "text must be a text, got number"]],
    ];
    const path = at("lines.jsonl");
    for (const [content, parts] of cases) {
      writeFileSync(path, content);
      for (const args of readers(path)) await refused(args, 1, [path, ...parts]);
    }
    writeFileSync(path, Buffer.from('{"text":"one"}\n{"text":"\xe9"}\n', "latin1"));
    await refused(readers(path)[0]!, 1, [`${path}:2`, "invalid UTF-8 at byte 9"]);
    const zipped = at("torn.jsonl.gz");
    writeFileSync(zipped, gzipSync(Buffer.from('{"text":"one"}\n'.repeat(1000))).subarray(0, 40));
    await refused(readers(zipped)[0]!, 1, [zipped, "cannot be read as gzip"]);
    const parquet = at("table.parquet");
    writeFileSync(parquet, "PAR1 but no more");
    await refused(readers(parquet)[0]!, 1, [parquet, "not a readable Parquet file"]);
  });

  test("of one text: missing, a folder, empty, not UTF-8", async () => {
    const readers = (path: string): string[][] => [
      ["score", "--model", model, "--file", path],
      ["generate", "--model", model, "--prompt-file", path],
      ["tokenizer", "encode", "--tokenizer", tokenizer, "--file", path],
    ];
    for (const args of readers(at("nowhere"))) await refused(args, 1, [at("nowhere"), "no such file"]);
    for (const args of readers(at("empty-folder"))) await refused(args, 1, [at("empty-folder"), "cannot be read"]);
    for (const args of readers(at("empty.txt"))) await refused(args, 1, [at("empty.txt"), "empty; expected text"]);
    for (const args of readers(at("latin1.txt")))
      await refused(args, 1, [at("latin1.txt"), "invalid UTF-8 at offset 3"]);
  });

  test("that a shard of prepared data no longer holds is noticed", async () => {
    const prepared = at("cut");
    await fathomJson(["data", "prepare", "--data", corpus, "--tokenizer", tokenizer, "--out", prepared]);
    const shard = join(prepared, readdirSync(prepared).find((name) => name.startsWith("train-"))!);
    writeFileSync(shard, readFileSync(shard).subarray(0, 1000));
    const inspect = ["data", "inspect", prepared, "--tokenizer", tokenizer];
    await refused(inspect, 1, [shard]);
  });
});

describe("a model's files", () => {
  const shard = "model.safetensors";
  let broken = "";
  const damaged = (change: (folder: string) => void): string => {
    broken = at("broken");
    rmSync(broken, { recursive: true, force: true });
    cpSync(model, broken, { recursive: true });
    change(broken);
    return broken;
  };
  const edit = (name: string, change: (bytes: Buffer) => Buffer): string =>
    damaged((directory) => {
      const path = join(directory, name);
      writeFileSync(path, change(readFileSync(path)));
    });
  const both = async (directory: string, parts: readonly (string | RegExp)[]): Promise<void> => {
    await refused(["score", "--model", directory, "--ids", "1,2,3"], 1, parts);
    await refused(["inspect", directory], 1, parts);
  };
  /** Puts another header in the place of the one that is there. */
  const withHeader = (change: (header: string) => string): string =>
    edit(shard, (bytes) => {
      const end = 8 + Number(bytes.readBigUInt64LE());
      const header = Buffer.from(change(bytes.subarray(8, end).toString("utf8")), "utf8");
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(header.length));
      return Buffer.concat([length, header, bytes.subarray(end)]);
    });

  test("truncated safetensors are refused with the file and where it ends", async () => {
    const size = statSync(join(model, shard)).size;
    await both(
      edit(shard, (bytes) => bytes.subarray(0, size - 100)),
      [shard, `file at ${size - 100}`],
    );
    await both(
      edit(shard, (bytes) => bytes.subarray(0, 50)),
      [shard, "truncated"],
    );
    await both(
      edit(shard, (bytes) => bytes.subarray(0, 5)),
      [shard, "5 bytes", "at least 8"],
    );
  });

  test("mutated headers are refused with the file and what is wrong", async () => {
    await both(
      edit(shard, (bytes) => {
        bytes.writeBigUInt64LE(2n ** 60n);
        return bytes;
      }),
      [shard, /header of 11529215\d+ bytes, expected at most/],
    );
    await both(
      edit(shard, (bytes) => {
        bytes[20] = 0xff;
        return bytes;
      }),
      [shard, "not UTF-8"],
    );
    await both(
      withHeader((header) => header.replace('"F32"', '"F31"')),
      [shard, "dtype must be one of", '"F31"'],
    );
    await both(
      withHeader((header) => header.replace('"data_offsets":[0,', '"data_offsets":[4,')),
      [shard, /bytes/],
    );
    await both(
      withHeader((header) => header.replace('"dtype"', '"dtyp"')),
      [shard, /dtyp/],
    );
    await both(
      withHeader((header) => header.slice(0, -30)),
      [shard, /header/],
    );
  });

  test("a tensor of another shape is refused with both shapes", async () => {
    const name = "model.embed_tokens.weight";
    const directory = withHeader((header) => {
      const json = JSON.parse(header) as Record<string, { shape: number[] }>;
      expect(json[name]?.shape).toEqual([320, 32]);
      json[name]!.shape = [32, 320];
      return JSON.stringify(json);
    });
    await refused(["score", "--model", directory, "--ids", "1,2,3"], 1, [shard, name, "[32, 320]", "[320, 32]"]);
  });

  test("a missing shard, a shard outside the folder and pickled weights are refused", async () => {
    const index = "model.safetensors.index.json";
    const missing = damaged((directory) => rmSync(join(directory, shard)));
    await both(missing, [missing]);
    const outside = damaged((directory) => {
      rmSync(join(directory, shard));
      writeFileSync(
        join(directory, index),
        JSON.stringify({ weight_map: { "lm_head.weight": "../model/model.safetensors" } }),
      );
    });
    await both(outside, [index, "../model/model.safetensors"]);
    const pickled = damaged((directory) => {
      rmSync(join(directory, shard));
      writeFileSync(join(directory, "pytorch_model.bin"), "\x80\x02}q\0.");
    });
    await both(pickled, [/pickle|\.bin/]);
  });

  test("config.json: missing, not JSON, not an object, of another model than the weights", async () => {
    const missing = damaged((directory) => rmSync(join(directory, "config.json")));
    await both(missing, [missing, "config.json"]);
    await both(
      edit("config.json", () => Buffer.from('{"vocab_size": 3,')),
      ["config.json", "not valid JSON"],
    );
    await both(
      edit("config.json", () => Buffer.from("[1]")),
      ["config.json", "expected a JSON object"],
    );
    const wider = edit("config.json", (bytes) =>
      Buffer.from(bytes.toString().replace(/"hidden_size": 32/, '"hidden_size": 48')),
    );
    await refused(["score", "--model", wider, "--ids", "1,2"], 1, [shard, "48", "32"]);
    await refused(["score", "--model", at("empty-folder"), "--ids", "1"], 1, [at("empty-folder"), "config.json"]);
    await refused(["score", "--model", at("file.txt"), "--ids", "1"], 1, [at("file.txt"), "expected the directory"]);
    await refused(["inspect", at("file.txt")], 1, [at("file.txt"), "expected the directory"]);
  });

  test("ids outside the vocabulary and lists that are none are refused with the place", async () => {
    await refused(["score", "--model", model, "--ids", "1,2,320"], 1, ["320", "at 2", "[0, 320)"]);
    await refused(["score", "--model", model, "--ids", "1,x"], 1, ["--ids", '"x"']);
    await refused(["score", "--model", model, "--ids", "1,-2"], 1, ["--ids", '"-2"']);
    await refused(["score", "--model", model], 1, ["exactly one of --ids, --text and --file"]);
    await refused(["generate", "--model", model, "--prompt", "a", "--max-tokens", "999"], 1, ["999", "64 positions"]);
  });
});

describe("a config", () => {
  const cases: readonly (readonly [string, unknown, readonly string[]])[] = [
    ["qk_rope_head_dim", 7, ["even", "got 7"]],
    ["num_experts_per_tok", 5, ["at most n_routed_experts (4)", "got 5"]],
    ["num_experts_per_tok", 3, ["at most 2", "1 of 2 groups", "got 3"]],
    ["n_group", 3, ["a divisor of n_routed_experts (4)", "got 3"]],
    ["topk_group", 3, ["at most n_group (2)", "got 3"]],
    ["num_hidden_layers", 0, ["from 1", "got 0"]],
    ["hidden_size", "32", ["an integer", 'got "32"']],
    ["vocab_size", 1.5, ["an integer", "got 1.5"]],
    ["hidden_act", "gelu", ['"silu"', 'got "gelu"']],
    ["rms_norm_eps", -1, ["a positive number", "got -1"]],
    ["scoring_func", "tanh", ["sigmoid, softmax", 'got "tanh"']],
    ["rope_scaling", { type: "spiral", factor: 2 }, ["spiral"]],
  ];

  test("that is impossible is refused with the file, the key, what it must be and what it is", async () => {
    const path = at("impossible.json");
    for (const [key, value, parts] of cases) {
      writeFileSync(path, JSON.stringify({ ...smallConfig, [key]: value }));
      await refused(["pretrain", "--config", path, "--data", corpus, "--out", out()], 1, [path, key, ...parts]);
    }
    await refused(["init", path, "--out", out()], 1, [path]);
    const { hidden_size: _, ...rest } = smallConfig;
    writeFileSync(path, JSON.stringify(rest));
    await refused(["init", path, "--out", out()], 1, [path, "hidden_size is missing"]);
    writeFileSync(path, JSON.stringify({ ...smallConfig, hiden_size: 3 }));
    await refused(["init", path, "--out", out()], 1, [path, "unknown key hiden_size"]);
  });

  test("whose vocabulary is larger than the tokenizer, or smaller, is refused with both sizes", async () => {
    const path = at("vocabulary.json");
    for (const size of [640, 300]) {
      writeFileSync(path, JSON.stringify({ ...smallConfig, vocab_size: size }));
      const args = ["pretrain", "--config", path, "--data", corpus, "--tokenizer", tokenizer, "--out", out()];
      await refused(args, 1, [tokenizer, "320 ids", `vocab_size is ${size}`]);
    }
    await refused(["tokenizer", "train", "--data", corpus, "--vocab-size", "10", "--out", out()], 1, [
      "vocabSize",
      "got 10",
    ]);
  });

  test("that is not there is named, and presets are listed", async () => {
    const data = ["--data", corpus, "--out", out()];
    await refused(["pretrain", "--config", at("nowhere.json"), ...data], 1, [at("nowhere.json"), "no such file"]);
    for (const args of [
      ["pretrain", "--preset", "hugest", ...data],
      ["init", "hugest", "--out", out()],
      ["inspect", "hugest"],
      ["bench", "train", "--preset", "hugest"],
    ]) {
      await refused(args, 1, ["hugest", "tiny", "deepseek-v3"]);
    }
    await refused(["pretrain", ...data], 1, ["--preset or --config"]);
    await refused(["pretrain", "--preset", "tiny", "--config", config, ...data], 1, ["not both"]);
  });
});

describe("a run", () => {
  const steps = (run: string, count: number, more: readonly string[] = []): string[] => [
    ...["pretrain", "--config", config, "--data", corpus, "--tokenizer", tokenizer, "--out", run],
    ...["--batch", "2", "--threads", "1", "--samples", "0", "--save-every", "2", "--steps", String(count)],
    ...more,
  ];

  test("on a disk that becomes full keeps its last checkpoint, and goes on as if nothing had been", async () => {
    const [run, whole] = [at("full"), at("whole")];
    const constant = ["--schedule", "constant"];
    await fathomJson(steps(run, 2, constant));
    const checkpoints = join(run, "checkpoints");
    const before = snapshot(checkpoints);
    expect(readdirSync(checkpoints).sort()).toEqual(["latest", "step-00000002"]);
    await refused(steps(run, 4, [...constant, "--resume"]), 1, [run, "cannot be written", "EFBIG"], {
      maxFileBlocks: 400,
    });
    expect(snapshot(checkpoints)).toEqual(before);
    expect(readdirSync(checkpoints).sort()).toEqual(["latest", "step-00000002"]);
    expect(await fathomJson(["score", "--model", run, "--ids", "1,2,3"])).toMatchObject({ numTokens: 3 });
    const resumed = await fathomJson(steps(run, 4, [...constant, "--resume"]));
    const uninterrupted = await fathomJson(steps(whole, 4, constant));
    expect(resumed.valBitsPerByte).toBe(uninterrupted.valBitsPerByte);
  });

  test("of another command on a full disk leaves no file that looks whole", async () => {
    const full = { maxFileBlocks: 8 };
    const [made, prepared, trained] = [at("full-model"), at("full-data"), at("full-tokenizer")];
    expect((await fathom(["init", config, "--out", made], full)).stderr).toMatch(/^fathom: .*full-model.*EFBIG.*\n$/);
    expect(existsSync(made) ? readdirSync(made).filter((name) => !name.endsWith(".json")) : []).toEqual([]);
    const prepare = ["data", "prepare", "--data", corpus, "--tokenizer", tokenizer, "--out", prepared];
    expect((await fathom(prepare, full)).stderr).toMatch(/^fathom: .*full-data.*EFBIG.*\n$/);
    expect(existsSync(join(prepared, "data.json"))).toBe(false);
    const train = ["tokenizer", "train", "--data", corpus, "--vocab-size", "320", "--out", trained];
    expect((await fathom(train, full)).stderr).toMatch(/^fathom: .*full-tokenizer.*EFBIG.*\n$/);
    expect(existsSync(trained) ? readdirSync(trained) : []).toEqual([]);
  });

  test("is not resumed with another model, other data or under another name of either", async () => {
    const run = at("resumed");
    await fathomJson(steps(run, 2));
    const before = snapshot(run);
    const other = at("other.json");
    writeFileSync(other, JSON.stringify({ ...smallConfig, moe_intermediate_size: 40 }));
    const resume = ["--data", corpus, "--out", run, "--resume", "--steps", "4"];
    await refused(["pretrain", "--config", other, ...resume], 1, [run, "moe_intermediate_size is 32", "40"]);
    await refused(["pretrain", "--preset", "tiny", ...resume], 1, [run, "cannot resume with another model"]);
    await refused(["pretrain", "--config", config, "--data", at("file.txt"), "--out", run, "--resume"], 1, [
      run,
      "cannot resume with other data",
      at("file.txt"),
    ]);
    await refused(["pretrain", "--config", config, "--data", corpus, "--out", run], 1, [run, "--resume"]);
    await refused(["init", config, "--out", join(run, "checkpoints", "step-00000002")], 1, [
      "there is a model already",
    ]);
    expect(snapshot(run)).toEqual(before);
  });

  test("in use is refused with the process that has it, and that one saves when it is told to stop", async () => {
    const run = at("busy");
    const args = [...steps(run, 1_000_000, ["--save-every", "0", "--schedule", "constant"]), "--json"];
    const busy = spawn(process.execPath, [mainFile, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    busy.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    busy.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    try {
      await until(() => existsSync(join(run, "metrics.jsonl")) && stderr.includes("step"));
      await refused(steps(run, 2, ["--resume"]), 1, [run, `in use by process ${busy.pid}`]);
    } finally {
      busy.kill("SIGTERM");
    }
    expect(await exitCode(busy), stderr).toBe(130);
    expect(JSON.parse(stdout)).toMatchObject({ run, reason: "stopped" });
    expect(existsSync(join(run, "checkpoints", "latest", "config.json"))).toBe(true);
  });

  test("into a path that is a file is refused", async () => {
    const path = at("file.txt");
    await refused(["pretrain", "--config", config, "--data", corpus, "--out", path], 1, [path]);
    await refused(["init", config, "--out", path], 1, [path]);
    await refused(["tokenizer", "train", "--data", corpus, "--vocab-size", "300", "--out", path], 1, [path]);
    await refused(["data", "prepare", "--data", corpus, "--tokenizer", tokenizer, "--out", path], 1, [path]);
    expect(readFileSync(path, "utf8")).toBe("a text\n");
  });
});

/** How a process ended that was told to; null if it had to be killed after 30 s. */
function exitCode(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null) return Promise.resolve(child.exitCode);
  const timer = setTimeout(() => child.kill("SIGKILL"), 30_000);
  return new Promise((resolve) =>
    child.on("exit", (code) => {
      clearTimeout(timer);
      resolve(code);
    }),
  );
}

async function until(isTrue: () => boolean): Promise<void> {
  for (let i = 0; i < 600 && !isTrue(); i++) await new Promise((resolve) => setTimeout(resolve, 50));
  if (!isTrue()) throw new Error("nothing happened within 30 s");
}

describe("flags", () => {
  test("--threads 0 is refused by every command that computes", async () => {
    for (const args of [
      ["pretrain", "--preset", "tiny", "--data", corpus, "--out", out()],
      ["score", "--model", model, "--ids", "1,2"],
      ["generate", "--model", model, "--prompt", "a"],
      ["bench", "train", "--preset", "tiny"],
      ["tokenizer", "encode", "--tokenizer", tokenizer, "--file", at("file.txt")],
      ["tokenizer", "train", "--data", corpus, "--vocab-size", "300", "--out", out()],
    ]) {
      await refused([...args, "--threads", "0"], 2, ["--threads", "'0'", "from 1"]);
    }
  });

  test("and commands nobody knows, missing ones and words too many are refused by name", async () => {
    await refused(["--bogus"], 2, ["--bogus"]);
    await refused(["train"], 2, ["train"]);
    await refused(["pretrain", "--out", out(), "--lerning-rate", "1"], 2, ["--lerning-rate"]);
    await refused(["generate", "--prompt", "a"], 2, ["--model"]);
    await refused(["pretrain", "--preset", "tiny"], 2, ["--out"]);
    await refused(["pretrain", "--preset", "tiny", "--out", out(), "--dtype", "float8"], 2, [
      "--dtype",
      "float8",
      "float32",
    ]);
    await refused(["generate", "--model", model, "--prompt", "a", "b"], 2, ["too many arguments"]);
  });

  /** Long names of the options of a command that take a number, as its help tells them. */
  async function numericFlags(command: readonly string[]): Promise<string[]> {
    const { stdout } = await fathom([...command, "--help"]);
    const kinds = "n|x|t|p|k|tokens|sequences|norm|decay|steps";
    return [...stdout.matchAll(new RegExp(`^ {2}(--[a-z-]+) <(?:${kinds})>`, "gm"))].map(([, name]) => name!);
  }

  test.each([["pretrain"], ["generate"]])("%s refuses a wrong number in each of them", async (command) => {
    const required: Readonly<Record<string, readonly string[]>> = {
      pretrain: ["--preset", "tiny", "--data", corpus, "--out", out()],
      generate: ["--model", model, "--prompt", "a"],
    };
    const flags = await numericFlags([command]);
    expect(flags.length).toBeGreaterThanOrEqual(command === "pretrain" ? 24 : 6);
    for (const flag of flags) {
      const tried = ["-1", "much"].map((value) =>
        refused([command, ...(required[command] ?? []), `${flag}=${value}`], 2, [flag, `'${value}'`, "expected a"]),
      );
      await Promise.all(tried);
    }
  });

  test("of generate and score take no number that makes no sense", async () => {
    const wrong = [
      ["--temperature", "-0.1"],
      ["--temperature", "NaN"],
      ["--max-tokens", "0"],
      ["--max-tokens", "1.5"],
      ["--top-p", "0"],
      ["--top-p", "1.1"],
      ["--seed", "0.5"],
      ["--seed", ""],
    ];
    for (const [flag = "", value = ""] of wrong) {
      await refused(["generate", "--model", model, "--prompt", "a", flag, value], 2, [
        flag,
        `'${value}'`,
        "expected a",
      ]);
    }
    await refused(["score", "--model", model, "--ids", "1,2", "--window", "1"], 2, ["--window", "'1'"]);
    await refused(["init", "tiny", "--out", out(), "--seed", "one"], 2, ["--seed", "'one'"]);
  });
});

describe("a machine without a compiler", () => {
  test("is told what to install, and gets no half-built addon", async () => {
    const copy = at("checkout");
    for (const name of ["scripts", "native", "package.json"])
      cpSync(join(root, name), join(copy, name), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    const script = join(copy, "scripts", "build-native.mjs");
    for (const env of [{ CXX: "no-such-compiler" }, { CXX: "", PATH: at("empty-folder") }]) {
      const { code, stderr } = await runProgram(process.execPath, [script], { cwd: copy, env });
      expect(code).toBe(1);
      expect(stderr).toMatch(/^fathom: no C\+\+ compiler found \(tried .*\); install one: .*\n$/);
      const built = join(copy, "build", "native");
      expect(existsSync(built) ? readdirSync(built) : []).toEqual([]);
    }
  });

  test("is shown by doctor, and a missing addon says how to build it", async () => {
    const { tools } = await fathomJson(["doctor"], { env: { PATH: at("empty-folder") } });
    expect(tools).toContainEqual(expect.objectContaining({ name: "C++ compiler", isThere: false }));
    await refused(["score", "--model", model, "--ids", "1,2"], 1, [at("nowhere.node"), "npm run build"], {
      env: { FATHOM_NATIVE: at("nowhere.node") },
    });
  });
});
