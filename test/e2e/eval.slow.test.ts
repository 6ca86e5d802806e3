/** `fathom eval` as a user types it: results on disk, an interrupted evaluation that goes on, files of tasks, and mistakes. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildTokenizerConfig, buildTokenizerJson } from "../../src/tokenizer/newTokenizer.js";
import { Tokenizer } from "../../src/tokenizer/tokenizer.js";
import { endAll, fathom, fathomJson, root, smallConfig, start } from "./command.js";

let folder = "";
let model = "";
let data = "";

function put(path: string, rows: readonly object[]): void {
  mkdirSync(join(folder, path, ".."), { recursive: true });
  writeFileSync(join(folder, path), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fathom-eval-"));
  model = join(folder, "model");
  data = join(folder, "data");
  const tokenizer = Tokenizer.fromJson(buildTokenizerJson([]), buildTokenizerConfig());
  const config = join(folder, "config.json");
  writeFileSync(
    config,
    JSON.stringify({ ...smallConfig, vocab_size: tokenizer.vocabSize, max_position_embeddings: 1024 }),
  );
  await fathomJson(["init", config, "--out", model, "--dtype", "float32"]);
  tokenizer.save(model);
  const row = (kind: string) => (_: unknown, i: number) => ({
    id: `${i}`,
    question: `${kind} ${i}?`,
    choices: { text: ["yes", "no", `maybe ${i}`], label: ["A", "B", "C"] },
    answerKey: "ABC"[i % 3],
  });
  put("data/allenai/ai2_arc/ARC-Easy/train.jsonl", Array.from({ length: 9 }, row("train")));
  put("data/allenai/ai2_arc/ARC-Easy/test.jsonl", Array.from({ length: 12 }, row("test")));
  put(
    "data/openai/gsm8k/main/train.jsonl",
    Array.from({ length: 9 }, (_, i) => ({ question: `${i} + 1?`, answer: `<<x>>It is ${i + 1}.\n#### ${i + 1}` })),
  );
  put(
    "data/openai/gsm8k/main/test.jsonl",
    Array.from({ length: 40 }, (_, i) => ({ question: `${i} + 2?`, answer: `#### ${i + 2}` })),
  );
}, 120_000);
afterAll(() => {
  endAll();
  rmSync(folder, { recursive: true, force: true });
});

const usual = (...more: readonly string[]): string[] => [
  ...["eval", "--model", model, "--data-dir", data, "--threads", "2", "--bootstrap-iters", "100"],
  ...more,
];

type Results = Readonly<Record<string, Readonly<Record<string, number>>>>;

test("choices are scored, written down with their samples, and shown as a table", async () => {
  const out = join(folder, "out");
  const args = ["--tasks", "arc_easy,arc_easy_letters", "--num-fewshot", "2", "--output-path", out, "--log-samples"];
  const { code, stdout, stderr } = await fathom(usual(...args, "--write-out"));
  expect(code, stderr).toBe(0);
  expect(stderr).toContain("arc_easy: 12 documents, 2 shots, 36 requests");
  // With the token that begins a document, as the model reads it.
  expect(stderr).toMatch(
    /--- arc_easy, document 0\n<\uff5cbegin.*\uff5c>Question: train \d\?\nAnswer: .*\n\nQuestion: train/,
  );
  expect(stdout).toMatch(/\|arc_easy +\| +1\|none +\| +2\|acc +\|↑ +\|/);
  const [inner = ""] = readdirSync(out);
  const files = readdirSync(join(out, inner)).sort();
  expect(files.map((name) => name.replace(/_\d{4}.*(?=\.)/, ""))).toEqual([
    "answers.jsonl",
    "results.json",
    "samples_arc_easy.jsonl",
    "samples_arc_easy_letters.jsonl",
  ]);
  const samples = readFileSync(join(out, inner, files[2] ?? ""), "utf8")
    .trimEnd()
    .split("\n");
  expect(samples.length).toBe(12);
  const rows = samples.map((line) => JSON.parse(line) as { acc: number });
  const [results] = files.filter((name) => name.startsWith("results"));
  const { results: figures } = JSON.parse(readFileSync(join(out, inner, results ?? ""), "utf8")) as {
    results: Results;
  };
  expect(figures.arc_easy?.["acc,none"]).toBeCloseTo(rows.reduce((sum, { acc }) => sum + acc, 0) / 12, 12);

  // The same again, everything known, and side by side.
  const again = await fathom(usual(...args));
  expect(again.stderr).toContain("answering: 72 of 72 (72 were known)");
  const all = readdirSync(join(out, inner))
    .filter((name) => name.startsWith("results"))
    .map((name) => join(out, inner, name));
  expect(all.length).toBe(2);
  const compared = await fathom(["eval", "--compare", ...all]);
  expect(compared.stdout).toMatch(/\|arc_easy +\|acc,none +\|/);
  expect(compared.stdout).toContain("0.0000");
});

test("an interrupted evaluation exits with 130, and goes on to what an uninterrupted one finds", async () => {
  const args = [
    "--tasks",
    "gsm8k_cot",
    "--num-fewshot",
    "3",
    "--gen-kwargs",
    "max_gen_toks=200,until=#",
    "--max-batch",
    "2",
  ];
  const cache = join(folder, "interrupted.jsonl");
  const running = start(usual(...args, "--use-cache", cache));
  const lines = (): number => {
    try {
      return readFileSync(cache, "utf8").split("\n").length - 1;
    } catch {
      return 0;
    }
  };
  while (lines() < 3) await new Promise((resolve) => setTimeout(resolve, 20));
  running.child.kill("SIGINT");
  const ended = await running.done;
  expect(ended.code, ended.stderr).toBe(130);
  expect(ended.stderr).toContain("interrupted; answers until now are kept");
  const kept = lines();
  expect(kept).toBeLessThan(40);
  const resumed = await fathomJson(usual(...args, "--use-cache", cache));
  expect(lines()).toBe(40);
  const whole = await fathomJson(usual(...args));
  expect(resumed.results).toEqual(whole.results);
  expect(resumed.health).toEqual(whole.health);
});

test("bits per byte of a text are those of `fathom score`", async () => {
  const file = join(folder, "held.txt");
  writeFileSync(file, "The quick brown fox; 世界 is seen.\n".repeat(6));
  const scored = await fathomJson(["score", "--model", model, "--file", file, "--threads", "2"]);
  const { results } = await fathomJson(usual("--tasks", "bits_per_byte", "--held-out", file));
  expect((results as Results).bits_per_byte?.["bits_per_byte,none"]).toBeCloseTo(Number(scored.bitsPerByte), 5);
});

test("a task of a user's own runs from its file, beside those that come with the program", async () => {
  const task = join(folder, "capitals.yaml");
  put("capitals.jsonl", [
    { land: "France", capital: "Paris" },
    { land: "Italy", capital: "Rome" },
  ]);
  writeFileSync(
    task,
    "task: capitals\ndataset_path: json\ndataset_kwargs: {data_files: {test: capitals.jsonl}}\ntest_split: test\n" +
      'doc_to_text: "The capital of {{land}} is"\ndoc_to_target: " {{capital}}"\noutput_type: loglikelihood\n',
  );
  const {
    results,
    config,
    "n-samples": sizes,
  } = await fathomJson(usual("--tasks", `${task},arc_easy`, "--limit", "1", "--num-fewshot", "1"));
  expect((results as Results).capitals).toMatchObject({ "acc,none": 0, "perplexity,none": expect.any(Number) });
  expect(config).toMatchObject({ limit: 1 });
  expect(sizes).toMatchObject({ capitals: { original: 2, effective: 1 }, arc_easy: { original: 12, effective: 1 } });
});

test("a chat is asked by the model's template", async () => {
  const args = ["--tasks", "arc_easy", "--limit", "2", "--num-fewshot", "1", "--apply-chat-template", "--write-out"];
  const plain = await fathom(usual(...args, "--system-instruction", "Be brief."));
  expect(plain.code, plain.stderr).toBe(0);
  expect(plain.stderr).toMatch(
    /\uff5c>Be brief\.<\uff5cUser\uff5c>Question: train .*\nAnswer: .*\n\nQuestion: test 0\?\nAnswer:<\uff5cAssistant/,
  );
  const turns = await fathom(usual(...args, "--fewshot-as-multiturn"));
  expect(turns.stderr).toMatch(
    /Question: train \d\?\nAnswer:<\uff5cAssistant\uff5c>.*<\uff5cUser\uff5c>Question: test/,
  );
});

test("the needle's matrix and picture are written", async () => {
  const out = join(folder, "needle-out");
  const hay = join(folder, "hay.txt");
  writeFileSync(hay, "Hay is here. ".repeat(40));
  const metadata = JSON.stringify({ lengths: [600, 900], depths: [0, 100], haystack: hay, buffer: 100 });
  const { stdout, code, stderr } = await fathom(
    usual("--tasks", "needle", "--metadata", metadata, "--output-path", out),
  );
  expect(code, stderr).toBe(0);
  expect(stdout).toMatch(/depth % \| +600 +900 +tokens/);
  const [inner = ""] = readdirSync(out);
  const names = readdirSync(join(out, inner)).join(" ");
  expect(names).toMatch(/needle_map_.*\.svg/);
  expect(names).toMatch(/needle_matrix_.*\.json/);
});

test("--list tells shots, metrics, needs, data set and the published figure", async () => {
  const { tasks } = (await fathomJson(["eval", "--list", "--tasks", "humaneval,mmlu"])) as {
    tasks: readonly { task: string }[];
  };
  expect(tasks.length).toBe(58);
  expect(tasks[0]).toMatchObject({ task: "humaneval", needs: ["sandbox"], published: { value: 65.2 } });
  const { stdout } = await fathom(["eval", "--list"]);
  expect(stdout).toMatch(/\|mmlu +\| +5\|acc.*\|cais\/mmlu, 57 tasks +\|acc 87\.1/);
  expect(stdout).not.toContain("mmlu_abstract_algebra");
  expect(stdout).toMatch(/\d+ parts of groups are not shown: --list --tasks GROUP/);
  expect(stdout).toMatch(/\|arc_easy_letters +\| +25\|acc +\| +\|allenai\/ai2_arc ARC-Easy/);
});

test.each<[string, readonly string[], number]>([
  ["give one of --model, --list and --compare", ["eval"], 1],
  ['no task, group or tag "arc"; there are', ["--tasks", "arc"], 1],
  ["hf download Rowan/hellaswag --repo-type dataset", ["--tasks", "hellaswag"], 1],
  ["generated programs are run to score it", ["--tasks", "humaneval"], 1],
  ["answers are judged by a model; give --judge", ["--tasks", "simpleqa"], 1],
  ["--gen-kwargs: temperature: ", ["--tasks", "gsm8k", "--gen-kwargs", "temperature=hot"], 1],
  ["--samples: not valid JSON", ["--tasks", "gsm8k", "--samples", "{"], 1],
  ["need --output-path", ["--tasks", "gsm8k", "--log-samples"], 1],
  ["a share above 0 and below 1", ["--tasks", "gsm8k", "--limit", "1.5"], 2],
])("%s", async (message, args, expected) => {
  const { code, stderr } = await fathom(args[0] === "eval" ? args : usual(...args));
  expect(stderr.split("\n").at(-2)).toContain(message);
  expect(code).toBe(expected);
});

test("the fathom group needs no data set, and takes 100 documents of each task unless a task is named", async () => {
  const documents = join(folder, "documents.jsonl");
  const lines = Array.from(
    { length: 130 },
    (_, i) => `${JSON.stringify({ text: `${i}\n${"Some hay here.\n".repeat(20)}` })}\n`,
  );
  writeFileSync(documents, lines.join(""));
  const quick = ["--held-out", documents, "--metadata", '{"problems":2,"depths":2}', "--gen-kwargs", "max_gen_toks=2"];
  const { "n-samples": sizes, left_out: leftOut } = (await fathomJson(
    usual("--tasks", "fathom,fim_line", ...quick),
  )) as Readonly<Record<"n-samples" | "left_out", Readonly<Record<string, object>>>>;
  expect(sizes).toMatchObject({
    bits_per_byte: { original: 130, effective: 100 },
    problems_dates: { original: 2, effective: 2 },
    fim_line: { original: 130, effective: 130 },
    fim_span: { original: 130, effective: 100 },
    // Six of eight lengths have room for a needle of 109 bytes.
    needle: { original: 12, effective: 12 },
  });
  expect(Object.keys(leftOut ?? {})).toEqual(["problems_code_python", "problems_code_javascript"]);
});

test("a reader that goes early is no error", () => {
  // What the shell tells is the reader's end; an error of the writer's would stand in its standard error.
  const command = `"${process.execPath}" "${join(root, "dist", "cli", "main.js")}" eval --list | head -1`;
  const { status, stdout, stderr } = spawnSync("sh", ["-c", command], { encoding: "utf8" });
  expect([status, stdout.split("\n").length, stderr]).toEqual([0, 2, ""]);
});
