/** What `reward` and `dpo` have in common: records that say which answer is better, a part of them held out, steps that count records. */
import type { Command } from "commander";
import type { ChatDataOptions, ChatDataReport, Loaded } from "../posttrain/data/chatData.js";
import type { StageSettings } from "../posttrain/settings.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import {
  type FileFlags,
  readingOf,
  renderingOf,
  type TemplateFlags,
  withFileOptions,
  withTemplateOptions,
} from "./dataReading.js";
import { grouped, integerOption, numberOption, repeated, say } from "./output.js";
import { addStageOptions, type StageDefaults, type StageFlags } from "./stageOptions.js";

export interface PreferenceFlags extends StageFlags, FileFlags, TemplateFlags {
  readonly data?: readonly string[];
  readonly validationData?: readonly string[];
  readonly validationFraction?: number;
  readonly epochs?: number;
  readonly batch?: number;
}

/** Records a step, where nobody says. */
export const defaultBatch = 32;

/** @param data what --data holds @param each what a record is called */
export function addPreferenceOptions(
  command: Command,
  defaults: StageDefaults,
  { data, each }: { readonly data: string; readonly each: string },
): Command {
  const withData = addStageOptions(command, defaults).option("--data <path>", `${data}; may be repeated`, repeated);
  return withTemplateOptions(withFileOptions(withData))
    .option("--validation-data <path>", "hold these out instead of a part of the data; may be repeated", repeated)
    .addOption(numberOption("--validation-fraction <x>", "share of prompts to hold out (default 0.05)", 0, 0.9))
    .addOption(integerOption("--epochs <n>", "times through the data (default 1)", 1, 1e6))
    .addOption(
      integerOption(`--batch <${each}>`, `${each} a step over all processes (default ${defaultBatch})`, 1, 2 ** 24),
    );
}

export interface PreferenceData<T> {
  readonly training: readonly T[];
  readonly validation: readonly T[];
  readonly report: ChatDataReport;
  /** All paths, for the record. */
  readonly paths: readonly string[];
}

/**
 * Reads the records and holds some out, by prompt. Those that are too long are dropped whole.
 * @param tokensOf a record's @param isFirst tells what there is
 */
export async function preferenceData<T extends { readonly record: number }>(
  flags: PreferenceFlags,
  { tokenizer, settings, isFirst }: { tokenizer: Tokenizer; settings: StageSettings; isFirst: boolean },
  load: (options: ChatDataOptions) => Promise<Loaded<T>>,
  tokensOf: (item: T) => number,
): Promise<PreferenceData<T>> {
  const { splitByPrompt } = await import("../posttrain/data/splitRecords.js");
  if (!flags.data) throw new RangeError("give records to learn from: --data FILE");
  const read = (paths: readonly string[]): Promise<Loaded<T>> =>
    load({
      paths,
      tokenizer,
      read: readingOf(flags),
      render: renderingOf(flags),
      maxLength: settings.maxLength,
      overlong: "drop",
    });
  const { items, keys, report } = await read(flags.data);
  const fraction = flags.validationData ? 0 : (flags.validationFraction ?? 0.05);
  const split = splitByPrompt(items, ({ record }) => keys[record] ?? "", tokensOf, { fraction, seed: settings.seed });
  const validation = flags.validationData ? (await read(flags.validationData)).items : split.validation;
  if (isFirst) {
    say(
      `data: ${grouped(report.records)} records, ${grouped(report.tokens)} tokens; ${report.dropped.overlong} records dropped; ` +
        `${grouped(split.training.length)} to learn from, ${grouped(validation.length)} held out`,
    );
  }
  const paths = [...flags.data, ...(flags.validationData ?? [])];
  return { training: split.training, validation, report, paths };
}
