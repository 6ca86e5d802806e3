/** `fathom data preview`: the first records as the model will read them, with what is learned in colour or between ⟦ ⟧. */
import { Command } from "commander";
import type { PreviewedRecord, PreviewPiece } from "../posttrain/data/preview.js";
import {
  type ReadingFlags,
  type RenderingFlags,
  readingOf,
  renderingOf,
  withReadingOptions,
  withRenderingOptions,
} from "./dataReading.js";
import { act, integerOption, type Outcome } from "./output.js";

interface PreviewFlags extends ReadingFlags, RenderingFlags {
  readonly tokenizer: string;
  readonly records?: number;
}

export function previewCommand(): Command {
  const command = new Command("preview")
    .description("Show chat data as the model will read it, with what is learned marked.")
    .argument("<files...>", "files (.jsonl, .json, .csv, .gz, .parquet), folders, patterns, or a dataset_info.json")
    .requiredOption("--tokenizer <dir>", "a directory with tokenizer.json, or a run")
    .addOption(integerOption("--records <n>", "records to show (default 3)", 1, 1_000_000));
  withRenderingOptions(withReadingOptions(command)).addHelpText(
    "after",
    "\nExamples:\n  fathom data preview train.jsonl --tokenizer runs/quickstart --records 1",
  );
  return act<PreviewFlags>(command, preview);
}

async function preview(paths: readonly string[], flags: PreviewFlags): Promise<Outcome> {
  const { previewData } = await import("../posttrain/data/preview.js");
  const { Tokenizer } = await import("../tokenizer/tokenizer.js");
  const { findTokenizer } = await import("./models.js");
  const records = await previewData({
    paths,
    read: readingOf(flags),
    tokenizer: Tokenizer.fromDirectory(findTokenizer(flags.tokenizer)),
    render: renderingOf(flags),
    records: flags.records ?? 3,
  });
  const screen = { isTerminal: process.stdout.isTTY === true, hasColour: process.env.NO_COLOR === undefined };
  return { result: { records }, text: records.map((record) => describePreview(record, screen)).join("\n\n") };
}

interface Screen {
  readonly isTerminal: boolean;
  readonly hasColour: boolean;
}

/** What is learned stands in green on a terminal with colours, else between ⟦ ⟧. */
export function describePreview({ path, row, kind, parts, columns }: PreviewedRecord, screen: Screen): string {
  const lines = [`=== ${path}, row ${row}: ${kind}`];
  for (const { label, pieces } of parts) {
    const count = (wanted: boolean): number =>
      pieces.reduce((sum, { tokens, isTarget }) => sum + (isTarget === wanted ? tokens : 0), 0);
    const learned = count(true);
    lines.push(
      `--- ${label}: ${learned + count(false)} tokens, ${learned} learned`,
      pieces.map((piece) => marked(piece, screen)).join(""),
    );
  }
  const names = Object.keys(columns);
  if (kind === "prompt" && names.length > 0) lines.push(`--- columns: ${names.join(", ")}`);
  return lines.join("\n");
}

function marked({ text, isTarget }: PreviewPiece, { isTerminal, hasColour }: Screen): string {
  const shown = isTerminal ? text.replace(/[^\P{Cc}\n\t]/gu, "\ufffd") : text; // data must not command a terminal
  if (!isTarget) return shown;
  return isTerminal && hasColour ? `\x1b[32m${shown}\x1b[39m` : `⟦${shown}⟧`;
}
