/** `fathom report`: writes a run's report again from what the run has left so far; a run that is still going is only read. */
import { Command } from "commander";
import { act, type Outcome, say } from "./output.js";

export function reportCommand(): Command {
  const command = new Command("report")
    .description("Write a run's report.html again: curves, load of the experts, samples.")
    .argument("<run>", "the run directory")
    .argument("[later...]", "runs that went on from it, to show behind it")
    .option("--out <file>", "where to write the page (default: report.html in the run)")
    .addHelpText(
      "after",
      "\nExamples:\n  fathom report runs/quickstart\n  fathom report runs/quickstart runs/quickstart-sft runs/quickstart-grpo\n  fathom report runs/mine --out /tmp/mine.html --json",
    );
  return act<{ out?: string }>(command, ([run = "", ...later], { out }) => report(run, later, out ?? null));
}

async function report(run: string, later: readonly string[], out: string | null): Promise<Outcome> {
  const { heldOutCompressors, writeRunReport } = await import("./reportFile.js");
  const { compressors, missing } = heldOutCompressors(run);
  if (missing !== null) say(`without the compressors' figures: ${missing}`);
  const path = writeRunReport(run, compressors, out, later);
  return { result: { report: path }, text: path };
}
