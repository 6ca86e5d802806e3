/** The options of `fathom data validate` and `fathom data preview`: how chat data is read, and how it is rendered. */
import { type Command, InvalidArgumentError, Option } from "commander";
import {
  type DataFormat,
  dataFormats,
  type Irregularity,
  irregularities,
  type LossMode,
  lossModes,
} from "../posttrain/data/choices.js";
import type { RecordOptions } from "../posttrain/data/readRecords.js";
import type { RenderOptions } from "../posttrain/data/render.js";
import { repeated } from "./output.js";

export interface FileFlags {
  readonly format?: DataFormat;
  readonly dataSet?: readonly string[];
  readonly allow?: readonly Irregularity[];
  readonly plainAs?: RecordOptions["plainAs"];
}

export interface ReadingFlags extends FileFlags {
  readonly maskHistory?: boolean;
}

export interface RenderingFlags extends TemplateFlags {
  readonly mode?: LossMode;
  readonly turns?: RenderOptions["turns"];
}

export interface TemplateFlags {
  readonly earlierReasoning?: RenderOptions["earlierReasoning"];
  readonly templateVariable?: Readonly<Record<string, unknown>>;
}

/** Adds the options that say how files are read. */
export function withReadingOptions(command: Command): Command {
  return withFileOptions(command).option("--mask-history", "Alpaca: do not learn the answers in history");
}

/** The same for records of which one answer is looked at, and no history learned. */
export function withFileOptions(command: Command): Command {
  return command
    .addOption(new Option("--format <name>", "format of the rows (default: told by the first)").choices(dataFormats))
    .option("--data-set <name>", "an entry of the dataset_info.json given as file; may be repeated", repeated)
    .addOption(
      new Option("--allow <names>", `deviations to accept, with commas: ${irregularities.join(", ")}`).argParser(
        (text) => {
          const names = text.split(",");
          const wrong = names.find((name) => !irregularities.some((known) => known === name));
          if (wrong !== undefined) {
            throw new InvalidArgumentError(`unknown ${wrong}; expected some of ${irregularities.join(", ")}.`);
          }
          return names;
        },
      ),
    )
    .addOption(
      new Option("--plain-as <form>", "plain prompts and answers are text, or turns of a chat (default text)").choices([
        "text",
        "chat",
      ]),
    );
}

/** Adds the options that say how records are rendered. */
export function withRenderingOptions(command: Command): Command {
  command
    .addOption(
      new Option(
        "--mode <name>",
        "what is learned (default: the completion, else the assistant's turns, else all)",
      ).choices(lossModes),
    )
    .addOption(
      new Option(
        "--turns <how>",
        "turns that cannot be learned where they stand: in sequences of their own, or not (default apart)",
      ).choices(["apart", "together"]),
    );
  return withTemplateOptions(command);
}

/** Adds those of the chat template alone. */
export function withTemplateOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--earlier-reasoning <how>", "reasoning before the last question (default strip)").choices([
        "strip",
        "keep",
      ]),
    )
    .addOption(
      new Option("--template-variable <name=json>", "variable of the chat template; may be repeated").argParser(
        (text: string, before: Readonly<Record<string, unknown>> = {}) => {
          const [, name = "", json = ""] = /^([A-Za-z_]\w*)=(.+)$/s.exec(text) ?? [];
          try {
            return { ...before, [name]: JSON.parse(json) as unknown };
          } catch {
            throw new InvalidArgumentError("expected a name, = and JSON, such as thinking=true.");
          }
        },
      ),
    );
}

export function readingOf(flags: ReadingFlags): Partial<RecordOptions> {
  return {
    ...(flags.format === undefined ? {} : { format: flags.format }),
    ...(flags.dataSet === undefined ? {} : { dataSets: flags.dataSet }),
    ...(flags.allow === undefined ? {} : { allow: flags.allow }),
    ...(flags.plainAs === undefined ? {} : { plainAs: flags.plainAs }),
    ...(flags.maskHistory === undefined ? {} : { maskHistory: flags.maskHistory }),
  };
}

export function renderingOf(flags: RenderingFlags): Partial<RenderOptions> {
  return {
    ...(flags.mode === undefined ? {} : { mode: flags.mode }),
    ...(flags.turns === undefined ? {} : { turns: flags.turns }),
    ...(flags.earlierReasoning === undefined ? {} : { earlierReasoning: flags.earlierReasoning }),
    ...(flags.templateVariable === undefined ? {} : { variables: flags.templateVariable }),
  };
}
