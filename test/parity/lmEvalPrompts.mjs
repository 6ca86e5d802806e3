/**
 * Writes fixtures/lmEvalPrompts/expected.json: what lm-eval asks and scores on the made-up records beside it, without any model.
 *
 *     node test/parity/lmEvalPrompts.mjs [PYTHON]      (default python3; needs lm_eval[math,ifeval])
 *
 * lmEvalPrompts.py does it. It is handed the worked examples of our own tasks, in the columns of lm-eval's, so that the layout of prompts is
 * held against lm-eval with the same examples, and the order in which our tasks show GPQA's choices.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runnerImport } from "vite";

const here = dirname(fileURLToPath(import.meta.url));
const fixtures = join(here, "fixtures", "lmEvalPrompts");
const root = join(here, "..", "..");

/** The tasks from their sources; what has been built may be older. */
async function load(path) {
  return (
    await runnerImport(join(root, path), { root, configFile: false, logLevel: "error", oxc: { target: "node20" } })
  ).module;
}
const { builtInTasks } = await load("src/eval/tasks/index.ts");
const { readRows } = await load("src/eval/harness/rows.ts");

const taskNamed = (name) => builtInTasks.find(({ task }) => task === name);
const rows = (path) =>
  readFileSync(join(fixtures, "data", path), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
const answered = (name, doc) => taskNamed(name).fewshotConfig.docToTarget(doc);

const minervaShots = (name) =>
  rows("EleutherAI/hendrycks_math/algebra/train.jsonl").map((doc) => ({
    problem: doc.problem,
    solution: answered(name, doc),
    few_shot: "1",
  }));
const bbh = builtInTasks.filter(({ task }) => task.startsWith("bbh_cot_fewshot_"));
const cruxeval = ["cruxeval_input", "cruxeval_output"].map(taskNamed);
const mbpp = taskNamed("mbpp").fewshotConfig.processDocs(rows("google-research-datasets/mbpp/full/prompt.jsonl"));
const samples = {
  gsm8k_cot: rows("openai/gsm8k/main/train.jsonl").map((doc) => ({
    question: doc.question,
    target: answered("gsm8k_cot", doc),
  })),
  minerva_math_algebra: minervaShots("minerva_math_algebra"),
  minerva_math500: minervaShots("minerva_math500"),
  mbpp: mbpp.map((doc) => ({ ...doc, is_fewshot: true })),
  ...Object.fromEntries(bbh.map(({ task, fewshotConfig }) => [task, fewshotConfig.samples])),
  ...Object.fromEntries(
    cruxeval.map(({ task, fewshotConfig }) => [
      task,
      fewshotConfig.samples.map((doc) => ({ ...doc, is_fewshot: true })),
    ]),
  ),
};
const gpqaRows = await readRows(join(fixtures, "data", "Idavidrein", "gpqa", "gpqa_diamond.csv"));
const orders = taskNamed("gpqa_diamond_n_shot")
  .processDocs(gpqaRows)
  .map(({ choices }) => choices);

const directory = mkdtempSync(join(tmpdir(), "lm-eval-"));
try {
  const ours = join(directory, "ours.json");
  writeFileSync(ours, JSON.stringify({ samples, orders }));
  const python = process.argv[2] ?? "python3";
  const { status } = spawnSync(python, [join(here, "lmEvalPrompts.py"), fixtures, ours], { stdio: "inherit" });
  if (status !== 0) throw new Error(`${python} lmEvalPrompts.py: exit ${status}`);
} finally {
  rmSync(directory, { recursive: true });
}
