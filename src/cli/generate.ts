/** `fathom generate`: completes a prompt, or fills the gap between a prompt and a suffix. */
import { Command } from "commander";
import type { Grammar } from "../generate/grammar/constraint.js";
import type { JsonSchema } from "../generate/grammar/jsonSchema.js";
import type { LanguageModel } from "../generate/languageModel.js";
import { promptIds } from "../tokenizer/promptIds.js";
import { type EngineFlags, engineOptions, openEngine } from "./engine.js";
import { localModel, modelHelp } from "./modelPath.js";
import { act, integerOption, numberOption, type Outcome, repeated } from "./output.js";

interface Flags extends EngineFlags {
  readonly model: string;
  readonly prompt?: string;
  readonly promptFile?: string;
  readonly suffix?: string;
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly seed?: number;
  readonly jsonSchema?: string;
  readonly regex?: string;
  readonly choice?: readonly string[];
  readonly json?: boolean;
}

export function generateCommand(): Command {
  const command = new Command("generate")
    .description("Complete a prompt; with --suffix, write what belongs between the two.")
    .requiredOption("--model <dir>", modelHelp)
    .option("--prompt <text>", "text to go on from")
    .option("--prompt-file <path>", "the same from a UTF-8 file")
    .option("--suffix <text>", "text after the gap: fill in the middle")
    .addOption(integerOption("--max-tokens <n>", "most tokens to write (default 128)", 1, 2 ** 24))
    .addOption(numberOption("--temperature <t>", "0 = always the likeliest token (default 0.6)", 0, 100))
    .addOption(
      numberOption("--top-p <p>", "choose among the tokens that make up this probability (default 0.95)", 1e-9, 1),
    )
    .addOption(integerOption("--top-k <k>", "choose among the k likeliest (default 0 = all)", 0, 2 ** 31))
    .addOption(integerOption("--seed <n>", "seed of the choices (default 0)", 0, Number.MAX_SAFE_INTEGER))
    .option("--json-schema <path>", "write JSON of this schema")
    .option("--regex <pattern>", "write a text that this regular expression matches as a whole")
    .option("--choice <text>", "write one of the texts; may be repeated", repeated)
    .addHelpText(
      "after",
      '\nExamples:\n  fathom generate --model runs/quickstart --prompt "// 2 + 2 = " --regex "[0-9]{1,3}"\n  fathom generate --model runs/quickstart --prompt "export function "\n  fathom generate --model runs/quickstart --prompt "const x = " --suffix ";" --temperature 0',
    );
  for (const option of engineOptions()) command.addOption(option);
  return act<Flags>(command, (_, flags) => generate(flags, command.opts<Flags>().json ?? false));
}

async function generate(flags: Flags, isQuiet: boolean): Promise<Outcome> {
  const { readText } = await import("../data/documents.js");
  if ((flags.prompt === undefined) === (flags.promptFile === undefined)) {
    throw new RangeError("generate: give either --prompt or --prompt-file");
  }
  const prompt = flags.prompt ?? Buffer.from(readText(flags.promptFile ?? "")).toString("utf8");
  const grammar = grammarOf(flags, readText);
  const model = await openEngine(await localModel(flags.model), flags);
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  const { suffix, maxTokens } = flags;
  const stream = model.generate(prompt, {
    temperature: flags.temperature ?? 0.6,
    topP: flags.topP ?? 0.95,
    topK: flags.topK ?? 0,
    seed: flags.seed ?? 0,
    signal: stop.signal,
    maxTokens: maxTokens ?? usualTokens(model, prompt, suffix),
    ...(suffix === undefined ? {} : { suffix }),
    ...(grammar ? { grammar } : {}),
  });
  for await (const text of stream) if (!isQuiet) process.stdout.write(text);
  const { usage, logprobs: _, ...result } = await stream.result();
  await model.close();
  return { result: { ...result, ...usage }, text: "", isInterrupted: stop.signal.aborted };
}

/** Up to 128, as far as the model has positions. */
function usualTokens({ tokenizer, info }: LanguageModel, prompt: string, suffix: string | undefined): number {
  const ids = tokenizer ? promptIds(tokenizer, prompt, suffix ?? null) : [];
  return Math.max(1, Math.min(128, info.maxPositions - ids.length));
}

/** @throws RangeError for more than one form, or a file that is no JSON */
function grammarOf({ jsonSchema, regex, choice }: Flags, readText: (path: string) => Uint8Array): Grammar | null {
  if ([jsonSchema, regex, choice].filter((form) => form !== undefined).length > 1) {
    throw new RangeError("generate: give at most one of --json-schema, --regex and --choice");
  }
  if (regex !== undefined) return { kind: "regex", pattern: regex };
  if (choice !== undefined) return { kind: "choice", texts: choice };
  if (jsonSchema === undefined) return null;
  try {
    const schema = JSON.parse(Buffer.from(readText(jsonSchema)).toString("utf8")) as JsonSchema;
    return { kind: "json_schema", schema };
  } catch (error) {
    if (error instanceof SyntaxError) throw new RangeError(`${jsonSchema}: not readable as JSON: ${error.message}`);
    throw error;
  }
}
