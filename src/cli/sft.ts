/** `fathom sft`: teaches a model to answer as the assistants of conversations do. */
import { Command, Option } from "commander";
import { type PackingStrategy, packingStrategies } from "../posttrain/data/choices.js";
import { type AdapterFlags, withAdapterOptions } from "./adapterOptions.js";
import {
  type ReadingFlags,
  type RenderingFlags,
  readingOf,
  renderingOf,
  withReadingOptions,
  withRenderingOptions,
} from "./dataReading.js";
import { act, grouped, integerOption, numberOption, type Outcome, repeated, say, table } from "./output.js";
import { addStageOptions, type StageFlags } from "./stageOptions.js";

export interface SftFlags extends StageFlags, AdapterFlags, ReadingFlags, RenderingFlags {
  readonly data?: readonly string[];
  readonly validationData?: readonly string[];
  readonly validationFraction?: number;
  readonly epochs?: number;
  readonly batch?: number;
  readonly batchTokens?: number;
  readonly overlong?: "truncate" | "drop";
  readonly packing?: PackingStrategy;
  readonly normalise?: "token" | "record";
  readonly mtp?: boolean;
  readonly samples?: number;
}

export function sftCommand(): Command {
  const command = new Command("sft").description("Fine-tune a model on conversations.");
  withRenderingOptions(
    withReadingOptions(
      withAdapterOptions(addStageOptions(command, { learningRate: 5e-6, minLearningRate: 1e-6 })).option(
        "--data <path>",
        "conversations: JSONL, JSON, CSV or Parquet; may be repeated",
        repeated,
      ),
    ),
  )
    .option("--validation-data <path>", "hold these out instead of a part of the data; may be repeated", repeated)
    .addOption(numberOption("--validation-fraction <x>", "share of prompts to hold out (default 0.05)", 0, 0.9))
    .addOption(integerOption("--epochs <n>", "times through the data (default 2)", 1, 1e6))
    .addOption(integerOption("--batch <records>", "records a step over all processes (default 32)", 1, 2 ** 24))
    .addOption(integerOption("--batch-tokens <n>", "or so many tokens a step", 1, 2 ** 40))
    .addOption(
      new Option("--overlong <what>", "records longer than --length (default drop)").choices(["drop", "truncate"]),
    )
    .addOption(
      new Option("--packing <strategy>", "records to a micro-batch, isolated (default bfd)").choices(packingStrategies),
    )
    .addOption(
      new Option("--normalise <by>", "each token counts the same (default), or each record").choices([
        "token",
        "record",
      ]),
    )
    .addOption(numberOption("--lambda <x>", "weight of the MTP losses (default 0.1)", 0, 10))
    .option("--mtp", "train the MTP modules too (default, but for --lora, which leaves them as they are)")
    .option("--no-mtp", "leave the MTP modules as they are")
    .addOption(integerOption("--samples <n>", "held-out prompts to answer at the end (default 2)", 0, 100))
    .addHelpText(
      "after",
      `
Example, on conversations made here:
  fathom data generate --family add-subtract --split train --count 16000 --plain --out sums.jsonl
  fathom sft --model runs/quickstart --data sums.jsonl --learning-rate 1.5e-3 --epochs 1 --batch 24 --out runs/sums
  fathom sft --model runs/quickstart --data sums.jsonl --lora --learning-rate 2e-3 --epochs 1 --batch 24 --out runs/sums-lora`,
    );
  return act<SftFlags>(command, (_, flags) => runSft(flags));
}

/** @param deadline time in performance.now() at which to end as if the data did */
export async function runSft(given: SftFlags, deadline?: number): Promise<Outcome> {
  const { inStage } = await import("./stageSession.js");
  const { stageSettings } = await import("./stageOptions.js");
  const { ratesFor, stageAdapter } = await import("./adapterOptions.js");
  const { printer } = await import("./progress.js");
  const { loadSequences } = await import("../posttrain/data/chatData.js");
  const { ChatLoader } = await import("../posttrain/data/chatLoader.js");
  const { splitByPrompt } = await import("../posttrain/data/splitRecords.js");
  const { defaultStageSettings } = await import("../posttrain/settings.js");
  const { sft } = await import("../posttrain/sft.js");
  const { filesOf } = await import("./recordFiles.js");
  const { answerSamples } = await import("./answerSamples.js");
  return inStage(given, "sft", async (flags, base, session) => {
    const { directory, config, tokenizer } = base;
    const { world, isFirst } = session;
    const adapter = stageAdapter(flags, base);
    if (!flags.data) throw new RangeError("give conversations to learn from: --data FILE");
    if (flags.batch !== undefined && flags.batchTokens !== undefined) {
      throw new RangeError("--batch and --batch-tokens are two ways to say the same; give one");
    }
    if (adapter && (flags.mtp || flags.lambda !== undefined)) {
      throw new RangeError("--mtp and --lambda train the MTP modules, which --lora leaves as they are; leave them out");
    }
    const settings = stageSettings(flags, ratesFor(adapter, defaultStageSettings(config)));
    const load = (paths: readonly string[]): ReturnType<typeof loadSequences> =>
      loadSequences({
        paths,
        tokenizer,
        read: readingOf(flags),
        render: renderingOf(flags),
        maxLength: settings.maxLength,
        overlong: flags.overlong ?? "drop",
      });
    const { items, keys, report } = await load(flags.data);
    const fraction = flags.validationData ? 0 : (flags.validationFraction ?? 0.05);
    const split = splitByPrompt(
      items,
      ({ record }) => keys[record] ?? "",
      ({ ids }) => ids.length,
      { fraction, seed: settings.seed },
    );
    const validation = flags.validationData ? (await load(flags.validationData)).items : split.validation;
    if (isFirst) {
      const { overlong, lostTargets } = report.dropped;
      say(
        `data: ${grouped(report.records)} records, ${grouped(report.tokens)} tokens, ${grouped(report.targets)} of them to learn; ` +
          `${overlong + lostTargets} records dropped, ${report.truncated} cut; ${grouped(validation.length)} held out`,
      );
      if (overlong > 0) {
        say(
          `warning: ${grouped(overlong)} records are longer than ${settings.maxLength} tokens and left out: what only they teach is not learned`,
        );
      }
    }
    const epochs = flags.epochs ?? 2;
    const loader = new ChatLoader(split.training, {
      stepSize: flags.batchTokens === undefined ? { sequences: flags.batch ?? 32 } : { tokens: flags.batchTokens },
      microBatchTokens: settings.microBatchTokens,
      packing: flags.packing ?? "bfd",
      epochs,
      seed: settings.seed,
      rank: world.rank,
      world: world.size,
    });
    session.trains("sft");
    const events = sft({
      run: flags.out,
      base: directory,
      adapter,
      config,
      settings,
      options: { epochs, normalisation: flags.normalise ?? "token", trainsMtp: flags.mtp ?? adapter === null },
      tokenizer,
      records: filesOf([...flags.data, ...(flags.validationData ?? [])]),
      asked: { ...flags },
      grid: session.grid,
      resumeFrom: session.resumeFrom?.path ?? null,
      loader,
      validation,
      sample: (model, step) => answerSamples(model, tokenizer, validation, flags.samples ?? 2, "sft", step),
      ...(deadline === undefined ? {} : { deadline }),
      signal: session.signal,
    });
    const print = printer();
    for (;;) {
      const { value, done } = await events.next();
      if (!done) {
        if (isFirst) print(value);
        continue;
      }
      const { lastValidation } = await import("./recordFiles.js");
      const { valLoss = null, valAccuracy = null } = lastValidation(flags.out, "sft") ?? {};
      const result = { ...value, valLoss, valAccuracy, data: report };
      return { result, text: summary(result), isInterrupted: value.reason === "stopped" };
    }
  });
}

function summary(result: {
  readonly run: string;
  readonly steps: number;
  readonly tokens: number;
  readonly trainLoss: number | null;
  readonly valLoss: number | null;
  readonly valAccuracy: number | null;
  readonly tokensPerSecond: number;
}): string {
  return table([
    ["run", result.run],
    ["steps", grouped(result.steps)],
    ["tokens", grouped(result.tokens)],
    ["training loss", result.trainLoss?.toFixed(4) ?? "not measured"],
    ["held-out loss", result.valLoss?.toFixed(4) ?? "not measured"],
    [
      "held-out tokens right",
      result.valAccuracy === null ? "not measured" : `${(100 * result.valAccuracy).toFixed(1)} %`,
    ],
    ["tokens per second", grouped(result.tokensPerSecond)],
  ]);
}
