/** `fathom eval`: benchmarks by name or from task files, on a model of ours or behind an endpoint. */
import { Command, InvalidArgumentError, Option } from "commander";
import { engineOptions } from "./engine.js";
import type { EvalFlags } from "./evalOptions.js";
import { modelHelp } from "./modelPath.js";
import { act, integerOption, type Outcome, repeated } from "./output.js";

interface Flags extends EvalFlags {
  readonly list?: boolean;
  readonly compare?: readonly string[];
}

export function evalCommand(): Command {
  const command = new Command("eval")
    .description("Evaluate a model on benchmarks, or compare results.")
    .option("--model <name>", `${modelHelp}; or http(s)://host:port/v1`)
    .option("--tasks <list>", "tasks, groups, tags, patterns with * and task files, separated by commas")
    .option(
      "--list",
      "show benchmarks, or the tasks of --tasks, with shots, metrics, needs, data set and published figure",
    )
    .option("--compare <files...>", "results files side by side, the first as the base")
    .addOption(
      integerOption("--num-fewshot <n>", "worked examples before each question (default: the task's)", 0, 1000),
    )
    .addOption(limitOption())
    .option("--samples <json>", 'documents by number, {"task":[0,3]}, as JSON or a file of it')
    .addOption(integerOption("--seed <n>", "seed of shots and sampling (default 1234)", 0, 2 ** 32 - 1))
    .option("--output-path <dir>", "write results there, in a folder of the model; answers are kept there too")
    .option("--log-samples", "write every prompt, answer and score beside the results")
    .option("--predict-only", "keep the answers and score nothing")
    .option("--write-out", "show each task's first prompt")
    .option("--use-cache <file>", "keep answers here and take known ones from here (default: in the output path)")
    .option("--no-use-cache", "keep answers nowhere")
    .option("--gen-kwargs <list>", "of all tasks that generate: temperature=0.7,max_gen_toks=512 or JSON")
    .option("--apply-chat-template", "ask as a chat, by the model's template")
    .option("--fewshot-as-multiturn", "each shot is a turn of the chat")
    .option("--system-instruction <text>", "stands before all; in a chat, the system's message")
    .option("--think-end <text>", "score what follows the last of these texts alone, as </think>")
    .option("--data-dir <dir>", "data sets as owner/name/... (default: the hub's cache)")
    .option("--include-path <dir>", "folder of task files; may be repeated", repeated)
    .option("--held-out <path>", "documents for bits_per_byte and fim (default: what the run held out)")
    .option("--metadata <json>", 'values for tasks that make their own documents, as {"problems":50,"depths":5}')
    .addOption(
      integerOption("--bootstrap-iters <n>", "draws for errors of figures that are no means (default 100000)", 0, 1e7),
    )
    .option(
      "--confirm-run-unsafe-code",
      "run generated programs: Python and JavaScript in the sandbox, other languages as this user without one",
    )
    .option("--endpoint-model <name>", "which model of an endpoint (default: its only one)")
    .addOption(integerOption("--concurrency <n>", "requests under way at an endpoint (default 8)", 1, 1024))
    .option("--judge <url>", "endpoint of the model that judges answers")
    .option("--judge-model <name>", "which model of the judge's endpoint (default: its only one)")
    .addOption(integerOption("--max-batch <n>", "choices that the engine works on at once (default 64)", 1, 1024))
    .addHelpText(
      "after",
      "\nKeys of endpoints are read from OPENAI_API_KEY, the judge's from JUDGE_API_KEY if that is set.\n\nExamples:\n" +
        "  fathom eval --list\n" +
        "  fathom eval --model runs/quickstart --tasks fathom --limit 20\n" +
        "  fathom eval --model my-model --tasks mmlu,arc_easy --data-dir data --output-path out --log-samples\n" +
        "  fathom eval --compare out/a/results_1.json out/b/results_2.json",
    );
  for (const option of engineOptions()) command.addOption(option);
  return act<Flags>(command, async (_, flags): Promise<Outcome> => {
    const modes = [flags.list, flags.compare, flags.model].filter((mode) => mode !== undefined);
    if (modes.length !== 1) throw new RangeError("eval: give one of --model, --list and --compare");
    if (flags.compare) return (await import("./evalCompare.js")).compare(flags.compare);
    if (flags.list) return (await import("./evalList.js")).list(flags);
    return (await import("./evalRun.js")).run(flags);
  });
}

function limitOption(): Option {
  return new Option(
    "--limit <n>",
    "documents of each task, or a share below 1; for trying, not for reporting",
  ).argParser((text) => {
    const value = Number(text);
    const isRight = text.trim() !== "" && value > 0 && (value < 1 || Number.isInteger(value));
    if (!isRight || !Number.isFinite(value)) {
      throw new InvalidArgumentError("expected a whole number from 1, or a share above 0 and below 1.");
    }
    return value;
  });
}
