/** `fathom distill prompts`: the questions, each once, and none that models are measured on. */
import { existsSync } from "node:fs";
import { Command, Option } from "commander";
import type { EvaluationDocument } from "../posttrain/distill/contamination.js";
import type { PromptFile, UnusablePrompt } from "../posttrain/distill/filePrompts.js";
import { type DistillPrompt, type Domain, type DroppedPrompt, domains } from "../posttrain/distill/records.js";
import { directoryArgument, inDirectory } from "./distillDirectory.js";
import { act, grouped, integerOption, type Outcome, repeated, say } from "./output.js";

export interface PromptsFlags {
  readonly family?: readonly string[];
  readonly count?: number;
  readonly level?: number;
  readonly plain?: boolean;
  readonly seed?: number;
  readonly from?: readonly string[];
  readonly domain?: Domain;
  readonly license?: string;
  readonly against?: readonly string[];
  readonly dataDir?: string;
  readonly ngram?: number;
}

export function promptsCommand(): Command {
  const command = new Command("prompts")
    .description(
      "Collect the questions: generated problems and questions of files, each once, none that is measured on.",
    )
    .argument(...directoryArgument)
    .option("--family <name>", "problems made here: add-subtract, dates, ...; may be repeated", repeated)
    .addOption(integerOption("--count <n>", "how many of them (default 1000)", 1, 100_000_000))
    .addOption(integerOption("--level <n>", "one level of them alone, from 1 (default: all in turn)", 1, 9))
    .option("--plain", "one form of question per kind, for very small models")
    .addOption(integerOption("--seed <n>", "of their order and wording (default 1)", 0, Number.MAX_SAFE_INTEGER))
    .option("--from <[name=]file>", "questions of files: JSONL, JSON, CSV, Parquet; may be repeated", repeated)
    .addOption(new Option("--domain <name>", "of rows that do not say theirs").choices([...domains]))
    .option("--license <text>", "of rows that do not say theirs")
    .option("--against <path>", "more that must not be met: rows or text; may be repeated", repeated)
    .option("--data-dir <dir>", "where data sets of tasks are (default: the hub's cache)")
    .addOption(integerOption("--ngram <words>", "a common run of so many words is too much (default 10)", 2, 100))
    .addHelpText(
      "after",
      `
What must not be met: the held-out problems, the documents of every task of fathom eval whose data set is here, and --against.

Example:
  fathom distill prompts distilled --family add-subtract --count 400 --plain`,
    );
  return act<PromptsFlags>(command, ([directory = ""], flags) =>
    inDirectory(directory, "nothing", () => prompts(directory, flags)),
  );
}

async function prompts(directory: string, flags: PromptsFlags): Promise<Outcome> {
  const { report, dropped } = await collectInto(directory, flags);
  const kept = Object.entries(report.kept).map(([domain, count]) => `${grouped(count)} ${domain}`);
  const gone = Object.entries(report.dropped).map(([reason, count]) => `${grouped(count)} ${reason}`);
  const { documents, ngram } = report.against;
  const lines = [
    ...dropped
      .filter(({ reason }) => reason === "contaminated")
      .slice(0, 5)
      .map(meetingLine),
    `${directory}: ${grouped(report.read)} prompts read, kept ${kept.join(", ")}; dropped ${gone.join(", ") || "none"}`,
    `held against ${grouped(documents)} documents by runs of ${ngram} words`,
  ];
  return { result: { directory, ...report }, text: lines.join("\n") };
}

/** The step itself. @throws RangeError for flags that name no questions */
export async function collectInto(
  directory: string,
  flags: PromptsFlags,
): ReturnType<typeof import("../posttrain/distill/steps.js").promptsStep> {
  const { promptsStep } = await import("../posttrain/distill/steps.js");
  if (!flags.family && !flags.from) throw new RangeError("give questions: --family NAME, or --from FILE");
  const counts = { problems: 0, tasks: 0, files: 0 };
  const made = await promptsStep(
    directory,
    questions(flags),
    await evaluationDocuments(flags, counts),
    flags.ngram ?? 10,
  );
  const { problems, tasks, files } = counts;
  say(
    `must not be met: ${grouped(problems)} held-out problems, ${grouped(tasks)} documents of tasks, ${grouped(files)} of --against`,
  );
  return made;
}

async function* questions(flags: PromptsFlags): AsyncGenerator<DistillPrompt | UnusablePrompt> {
  const { familyNamed } = await import("../eval/problems/families.js");
  const { filePrompts } = await import("../posttrain/distill/filePrompts.js");
  const { problemPrompts } = await import("../posttrain/distill/problemPrompts.js");
  const { family, from, domain = null, license = null } = flags;
  if (family) {
    yield* problemPrompts({
      families: family.map(familyNamed),
      count: flags.count ?? 1000,
      level: flags.level ?? null,
      phrasing: flags.plain ? "plain" : "varied",
      seed: flags.seed ?? 1,
    });
  }
  if (from) yield* filePrompts(from.map(namedFile), { domain, license });
}

/** What must not be met. @param counts what has been read of each kind */
async function evaluationDocuments(
  { against, dataDir }: PromptsFlags,
  counts: { problems: number; tasks: number; files: number },
): Promise<AsyncIterable<EvaluationDocument>> {
  const { Datasets, hubCacheOf } = await import("../eval/harness/datasets.js");
  const { builtInTasks } = await import("../eval/tasks/index.js");
  const { evaluationFiles } = await import("../posttrain/distill/evaluationFiles.js");
  const { heldOutProblems } = await import("../posttrain/distill/problemPrompts.js");
  const { taskDocuments } = await import("../posttrain/distill/taskDocuments.js");
  if (dataDir !== undefined && !existsSync(dataDir)) throw new RangeError(`--data-dir ${dataDir}: no such folder`);
  const datasets = new Datasets({ dataDir: dataDir ?? null, hubCache: hubCacheOf(process.env) });
  async function* all(): AsyncGenerator<EvaluationDocument> {
    for (const document of heldOutProblems()) {
      counts.problems++;
      yield document;
    }
    for await (const document of taskDocuments(builtInTasks, datasets)) {
      counts.tasks++;
      yield document;
    }
    for await (const document of evaluationFiles(against ?? [])) {
      counts.files++;
      yield document;
    }
  }
  return all();
}

function namedFile(value: string): PromptFile {
  const [, name = null, path = value] = /^([A-Za-z0-9_.-]+)=(.+)$/s.exec(value) ?? [];
  return { name, path };
}

function meetingLine({ id, ngram, met_in }: DroppedPrompt): string {
  return `contaminated: ${id}: "${ngram}" is in ${met_in}`;
}
