/** `fathom bench all` and `fathom bench report`: every figure, and the page that shows them. */
import { Command } from "commander";
import { rowTable } from "./benchOutcome.js";
import { act, type Outcome, say } from "./output.js";

interface AllFlags {
  readonly peer?: boolean;
  readonly quick?: boolean;
  readonly save?: string;
}

export function allCommand(): Command {
  const command = new Command("all")
    .description("Run every bench, each in a process of its own.")
    .option("--peer", "take turns with the peers that are installed")
    .option("--quick", "toy sizes, to see that everything runs")
    .option("--save <dir>", "store the results there, a JSON file a run")
    .addHelpText(
      "after",
      "\nExamples:\n  fathom bench all --quick\n  fathom bench all --peer --save bench/results && fathom bench report",
    );
  return act<AllFlags>(command, (_, flags) => all(flags));
}

async function all({ peer = false, quick = false, save }: AllFlags): Promise<Outcome> {
  const { availableParallelism } = await import("node:os");
  const { fileURLToPath } = await import("node:url");
  const { existsSync } = await import("node:fs");
  const { allRuns, benchAll, quickRuns, trainedModel } = await import("../bench/all.js");
  const isTrained = existsSync(trainedModel);
  if (!quick && !isTrained)
    say(`${trainedModel} is not there (npm run quickstart): without it no quantization and no speculation`);
  const { results, failures, clockDifference } = await benchAll({
    mainFile: fileURLToPath(new URL("./main.js", import.meta.url)),
    runs: quick ? quickRuns() : allRuns(availableParallelism(), isTrained),
    withPeers: peer,
    folder: save ?? null,
    say,
  });
  if (results.length === 0)
    throw new RangeError(`bench all: every run failed; the first: ${failures[0]?.reason ?? ""}`);
  for (const { name, reason } of failures) say(`${name} failed: ${reason}`);
  const rows = results.flatMap((result) => result.rows);
  const clocks = `clocks outside and inside the processes differ by ${(100 * clockDifference).toFixed(1)} % at most`;
  const failed = failures.length === 0 ? "" : `\nfailed: ${failures.map(({ name }) => name).join(", ")}`;
  if (failures.length > 0) process.exitCode = 1;
  return { result: { rows, failures, clockDifference, results }, text: `${rowTable(rows)}\n${clocks}${failed}` };
}

interface ReportFlags {
  readonly results: string;
  readonly notes: string;
  readonly out: string;
}

export function reportCommand(): Command {
  const command = new Command("report")
    .description("Write performance.md and its plots from stored results.")
    .option("--results <dir>", "where `bench all --save` put them", "bench/results")
    .option("--notes <file>", "Markdown to end with, if it is there", "bench/notes.md")
    .option("--out <dir>", "folder of the page and its plots", "docs")
    .addHelpText("after", "\nExamples:\n  fathom bench report");
  return act<ReportFlags>(command, (_, flags) => report(flags));
}

async function report({ results: folder, notes, out }: ReportFlags): Promise<Outcome> {
  const { existsSync, readFileSync } = await import("node:fs");
  const { join } = await import("node:path");
  const { writeFileAtomic } = await import("../files/atomic.js");
  const { readResults } = await import("../bench/results.js");
  const { performancePage, plotFile } = await import("../bench/performancePage.js");
  const { plots } = await import("../bench/plots.js");
  const results = readResults(folder);
  const drawn = plots(results);
  for (const { name, svg } of drawn) writeFileAtomic(join(out, plotFile(name)), svg);
  const page = join(out, "performance.md");
  writeFileAtomic(page, performancePage(results, drawn, existsSync(notes) ? readFileSync(notes, "utf8") : ""));
  const rows = results.reduce((sum, result) => sum + result.rows.length, 0);
  const files = [page, ...drawn.map(({ name }) => join(out, plotFile(name)))];
  return { result: { files, rows }, text: `${files.join("\n")}\n${rows} rows of ${results.length} runs` };
}
