/**
 * The examples of `fathom sft | reward | dpo | grpo --help` and the commands of docs/fine-tune.md and docs/rewards.md run as they are printed, one
 * after the other, in a folder with a small run in the place of the quickstart's. Only what ends a command sooner is added to it.
 */
import {
  copyFileSync,
  cpSync,
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
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildTokenizerConfig, buildTokenizerJson } from "../../src/tokenizer/newTokenizer.js";
import { Tokenizer } from "../../src/tokenizer/tokenizer.js";
import { ChatServer } from "../distill/chatServer.js";
import { plantRight } from "../distill/plantRight.js";
import { corpus, endAll, fathom, fathomJson, mainFile, root, runProgram, smallConfig } from "./command.js";
import { examplesOfHelp, linesOfPage } from "./printed.js";

let folder = "";
const at = (...names: readonly string[]): string => join(folder, ...names);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fathom-printed-"));
  const tokenizer = Tokenizer.fromJson(buildTokenizerJson([]), buildTokenizerConfig());
  tokenizer.save(at("tokenizer"));
  const config = { ...smallConfig, vocab_size: tokenizer.vocabSize, max_position_embeddings: 512 };
  writeFileSync(at("config.json"), JSON.stringify(config));
  mkdirSync(at("text"));
  for (const file of readdirSync(corpus).filter((name) => name.endsWith(".ts"))) {
    copyFileSync(join(corpus, file), at("text", file));
  }
  await fathomJson([
    ...["pretrain", "--config", at("config.json"), "--tokenizer", at("tokenizer"), "--data", at("text")],
    ...["--length", "64", "--batch", "8", "--steps", "20", "--learning-rate", "5e-3", "--warmup-steps", "2"],
    ...["--validation-fraction", "0.02", "--samples", "0", "--out", at("runs", "quickstart")],
  ]);
  cpSync(at("runs", "quickstart"), at("runs", "quickstart-sft"), { recursive: true, verbatimSymlinks: true });
});
afterAll(() => {
  endAll();
  rmSync(folder, { recursive: true, force: true });
});

/** What ends commands sooner, by their first words. The options win over those that are printed before them. */
const shorter: readonly (readonly [begin: string, added: string])[] = [
  ["reward ", "--steps 2"],
  ["dpo ", "--steps 2"],
  ["grpo ", "--steps 1"],
  ["distill prompts ", "--count 24"],
  ["eval ", "--limit 1"],
];
/** A page's own fine-tuning is of four conversations. */
const shorterSft = ["sft ", "--steps 2"] as const;

/** Runs a printed line in the folder, with a shell as its reader has, where `npx fathom` is what was built here. */
async function run(line: string, ends: typeof shorter): Promise<string> {
  const [, command = ""] = /fathom (.*)$/.exec(line) ?? [];
  const added = ends.find(([begin]) => command.startsWith(begin))?.[1] ?? "";
  const shell = `npx() { shift; "${process.execPath}" "${mainFile}" "$@"; }\nfathom() { npx fathom "$@"; }\n${line} ${added}`;
  const { code, stdout, stderr } = await runProgram("sh", ["-c", shell], { cwd: folder });
  expect(code, `${line} ${added}: ${stderr}`).toBe(0);
  return stdout;
}

test("the examples of the help of sft, reward, dpo and grpo run one after the other", async () => {
  const ran: string[] = [];
  for (const command of ["sft", "reward", "dpo", "grpo"]) {
    const examples = examplesOfHelp((await fathom([command, "--help"])).stdout);
    for (const example of examples) {
      await run(example, [...shorter, shorterSft]);
      ran.push(example.split(" ").slice(1, 2).join());
    }
  }
  expect(ran).toEqual(["data", "sft", "sft", "data", "reward", "data", "dpo", "grpo"]);
  for (const name of ["sums", "sums-lora", "scores", "preferred", "sums-rl"]) {
    expect(existsSync(at("runs", name, "checkpoints", "latest")), name).toBe(true);
  }
});

/** The lines of a page without the servers, which do not end. */
function pageLines(name: string): { readonly page: string; readonly lines: readonly string[] } {
  const page = readFileSync(join(root, "docs", name), "utf8");
  const inText = [...page.matchAll(/`(npx fathom [^`\n]*)`/g)].map(([, line = ""]) => line);
  return { page, lines: [...linesOfPage(page), ...inText].filter((line) => !line.includes("fathom serve ")) };
}

test("the commands of docs/fine-tune.md run, and print what the page shows", async () => {
  const { page, lines } = pageLines("fine-tune.md");
  const [, conversations = ""] = /```json\n(.*?)```/s.exec(page) ?? [];
  writeFileSync(at("tea.jsonl"), conversations);
  const printed = new Map<string, string>();
  for (const line of lines) printed.set(line, await run(line, shorter));
  expect(lines.length).toBeGreaterThanOrEqual(9);
  expect(printed.get("npx fathom data validate tea.jsonl --tokenizer runs/quickstart")).toContain(
    "4 records (4 chat), 4 different prompts, 0 bad rows\nmessages: 1 system, 5 user, 5 assistant, 0 tool\n",
  );
  const [, preview = "none"] = /```\n(=== tea\.jsonl, row 3.*?)```/s.exec(page) ?? [];
  const shown = printed.get("npx fathom data preview tea.jsonl --tokenizer runs/quickstart") ?? "";
  for (const row of preview.trimEnd().split("\n")) expect(shown).toContain(row);
  expect(existsSync(at("tea-merged", "model.safetensors"))).toBe(true);
});

test("the commands of docs/rewards.md run", async () => {
  const { page, lines } = pageLines("rewards.md");
  const [, code = ""] = /```ts\n(\/\/ my-reward\.ts\n.*?)```/s.exec(page) ?? [];
  writeFileSync(at("my-reward.ts"), code);
  // The examples of the help have made a run of this name.
  rmSync(at("runs", "scores"), { recursive: true, force: true });
  // The page's judge.
  await using judge = await ChatServer.start(({ messages }) =>
    messages[0]?.content.includes("--- answer B") ? "The first.\n[[A]]" : "Not bad.\nScore: 7",
  );
  for (const line of lines) {
    // An untrained model has nothing right to make a pair of.
    if (line.includes("distill score")) plantRight(at("judged"));
    await run(line.replace("http://127.0.0.1:8000", judge.url), shorter);
  }
  expect(lines).toHaveLength(11);
  expect(readFileSync(at("judged.jsonl"), "utf8").trimEnd().split("\n")).toHaveLength(20);
  for (const name of ["mine", "by-model", "by-judge", "scores"]) {
    expect(existsSync(at("runs", name, "checkpoints", "latest")), name).toBe(true);
  }
});
