/** `fathom data validate`: every bad row of chat data with its reason, and what the rest is. */
import { Command, Option } from "commander";
import type { Overlong } from "../posttrain/data/sequences.js";
import type { DataValidation } from "../posttrain/data/validate.js";
import {
  type ReadingFlags,
  type RenderingFlags,
  readingOf,
  renderingOf,
  withReadingOptions,
  withRenderingOptions,
} from "./dataReading.js";
import { act, grouped, integerOption, type Outcome } from "./output.js";

interface ValidateFlags extends ReadingFlags, RenderingFlags {
  readonly tokenizer?: string;
  readonly maxLength?: number;
  readonly overlong?: Overlong;
  readonly maxErrors?: number;
}

export function validateCommand(): Command {
  const command = new Command("validate")
    .description("Check chat data: conversations, preferences, verdicts, steps, prompts. Exit code 1 if a row is bad.")
    .argument("<files...>", "files (.jsonl, .json, .csv, .gz, .parquet), folders, patterns, or a dataset_info.json")
    .option("--tokenizer <dir>", "a directory with tokenizer.json, or a run: counts tokens and what is learned of them")
    .addOption(integerOption("--max-length <tokens>", "most tokens of a sequence (default: no limit)", 2, 2 ** 31))
    .addOption(
      new Option("--overlong <how>", "what happens to longer ones (default truncate)").choices(["truncate", "drop"]),
    )
    .addOption(integerOption("--max-errors <n>", "bad rows to describe (default 20)", 0, 1_000_000));
  withRenderingOptions(withReadingOptions(command)).addHelpText(
    "after",
    "\nExamples:\n  fathom data validate train.jsonl\n  fathom data validate train.jsonl --tokenizer runs/quickstart --max-length 4096",
  );
  return act<ValidateFlags>(command, validate);
}

async function validate(paths: readonly string[], flags: ValidateFlags): Promise<Outcome> {
  const { validateData } = await import("../posttrain/data/validate.js");
  const { Tokenizer } = await import("../tokenizer/tokenizer.js");
  const { findTokenizer } = await import("./models.js");
  const validation = await validateData({
    paths,
    read: readingOf(flags),
    tokenizer: flags.tokenizer === undefined ? null : Tokenizer.fromDirectory(findTokenizer(flags.tokenizer)),
    render: renderingOf(flags),
    maxLength: flags.maxLength ?? null,
    overlong: flags.overlong ?? "truncate",
    maxErrors: flags.maxErrors ?? 20,
  });
  if (validation.bad > 0 || validation.withoutTargets > 0) process.exitCode = 1;
  return { result: validation, text: describe(validation, flags.maxLength ?? null) };
}

function describe(validation: DataValidation, maxLength: number | null): string {
  const { records, kinds, prompts, turns, bad, errors, unusedFields, withoutTargets, sequences } = validation;
  const lines = errors.map(({ message }) => message);
  const untold = bad + withoutTargets - errors.length;
  if (untold > 0) lines.push(`… and ${grouped(untold)} more (--max-errors)`);
  const named = Object.entries(kinds).map(([kind, count]) => `${grouped(count)} ${kind}`);
  lines.push(
    `${grouped(records)} records (${named.join(", ") || "none"}), ${grouped(prompts)} different prompts, ${grouped(bad)} bad rows`,
    `messages: ${grouped(turns.system)} system, ${grouped(turns.user)} user, ${grouped(turns.assistant)} assistant, ${grouped(turns.tool)} tool`,
  );
  const unused = Object.entries(unusedFields).map(([field, count]) => `${field} (${grouped(count)})`);
  if (unused.length > 0) lines.push(`fields beside the format's own: ${unused.join(", ")}`);
  if (sequences === null) return lines.join("\n");
  const { tokens, targets, lengths, truncated, dropped, skippedTurns, spellingTokens } = sequences;
  const share = tokens === 0 ? 0 : (100 * targets) / tokens;
  lines.push(
    `${grouped(sequences.sequences)} sequences, ${grouped(tokens)} tokens, ${grouped(targets)} learned (${share.toFixed(1)}%)`,
    `tokens per sequence: least ${grouped(lengths.min)}, median ${grouped(lengths.median)}, mean ${grouped(lengths.mean)}, ` +
      `90% up to ${grouped(lengths.p90)}, most ${grouped(lengths.max)}`,
  );
  if (maxLength !== null) {
    lines.push(
      `limit ${grouped(maxLength)}: ${grouped(truncated)} truncated, ${grouped(dropped.overlong)} dropped as too long, ` +
        `${grouped(dropped.lostTargets)} dropped without a target within it`,
    );
  }
  if (skippedTurns > 0) lines.push(`${grouped(skippedTurns)} turns cannot be learned where they stand (--turns apart)`);
  if (spellingTokens > 0) lines.push(`${grouped(spellingTokens)} records spell control tokens, which stay text`);
  if (withoutTargets > 0) lines.push(`${grouped(withoutTargets)} records have no token to learn from`);
  return lines.join("\n");
}
