/** `fathom dpo`: teaches a model to prefer the better of two answers. */
import { Command, Option } from "commander";
import type { DpoOptions } from "../posttrain/preference/dpoLoss.js";
import type { PreferenceMetrics } from "../train/events.js";
import { type AdapterFlags, withAdapterOptions } from "./adapterOptions.js";
import { act, grouped, integerOption, numberOption, type Outcome, say, table } from "./output.js";
import { addPreferenceOptions, defaultBatch, type PreferenceFlags, preferenceData } from "./preferenceOptions.js";

interface DpoFlags extends PreferenceFlags, AdapterFlags {
  readonly beta?: number;
  readonly loss?: DpoOptions["loss"];
  readonly labelSmoothing?: number;
  readonly sft?: number;
  readonly samples?: number;
}

const rates = { learningRate: 1e-6, minLearningRate: 1e-7 };

export function dpoCommand(): Command {
  const command = new Command("dpo").description(
    "Train a fine-tuned model on pairs of answers, without a reward model.",
  );
  withAdapterOptions(
    addPreferenceOptions(command, rates, {
      data: "prompts with a chosen and a rejected answer: JSONL, JSON, CSV or Parquet",
      each: "pairs",
    }),
  )
    .addOption(numberOption("--beta <x>", "how near to stay to the model it begins with (default 0.1)", 0, 1000))
    .addOption(new Option("--loss <name>", "loss of a pair (default sigmoid)").choices(["sigmoid", "ipo", "hinge"]))
    .addOption(numberOption("--label-smoothing <x>", "share of pairs the wrong way round (default 0)", 0, 0.5))
    .addOption(numberOption("--sft <x>", "weight of the chosen answer's own loss (default 0)", 0, 1000))
    .addOption(integerOption("--samples <n>", "held-out prompts to answer at the end (default 2)", 0, 100))
    .addHelpText(
      "after",
      `
Example, after that of \`fathom sft\`, on right and wrong answers made here:
  fathom data generate --family add-subtract --split train --count 2000 --plain --form preference --out pairs.jsonl
  fathom dpo --model runs/sums --data pairs.jsonl --plain-as chat --learning-rate 1e-4 --out runs/preferred`,
    );
  return act<DpoFlags>(command, (_, flags) => run(flags));
}

async function run(given: DpoFlags): Promise<Outcome> {
  const { inStage } = await import("./stageSession.js");
  const { stageSettings } = await import("./stageOptions.js");
  const { ratesFor, stageAdapter } = await import("./adapterOptions.js");
  const { printer } = await import("./progress.js");
  const { loadPairs } = await import("../posttrain/data/chatData.js");
  const { defaultStageSettings } = await import("../posttrain/settings.js");
  const { defaultDpo } = await import("../posttrain/preference/dpoLoss.js");
  const { dpo } = await import("../posttrain/preference/dpo.js");
  const { filesOf, lastValidation } = await import("./recordFiles.js");
  const { answerSamples } = await import("./answerSamples.js");
  return inStage(given, "dpo", async (flags, base, session) => {
    const { directory, config, tokenizer } = base;
    const { isFirst } = session;
    const adapter = stageAdapter(flags, base);
    const settings = stageSettings(flags, ratesFor(adapter, { ...defaultStageSettings(config), ...rates }));
    const { training, validation, report, paths } = await preferenceData(
      flags,
      { tokenizer, settings, isFirst },
      loadPairs,
      ({ chosen, rejected }) => chosen.ids.length + rejected.ids.length,
    );
    const chosen = validation.map((pair) => ({ ...pair.chosen, record: pair.record }));
    session.trains("dpo");
    const events = dpo({
      run: flags.out,
      base: directory,
      adapter,
      config,
      settings,
      options: {
        beta: flags.beta ?? defaultDpo.beta,
        loss: flags.loss ?? defaultDpo.loss,
        labelSmoothing: flags.labelSmoothing ?? defaultDpo.labelSmoothing,
        sft: flags.sft ?? defaultDpo.sft,
        epochs: flags.epochs ?? 1,
        pairsPerStep: flags.batch ?? defaultBatch,
      },
      tokenizer,
      records: filesOf(paths),
      asked: { ...flags },
      grid: session.grid,
      resumeFrom: session.resumeFrom?.path ?? null,
      pairs: training,
      validation,
      ...(isFirst ? { onReference: referencePrinter() } : {}),
      sample: (model, step) => answerSamples(model, tokenizer, chosen, flags.samples ?? 2, "dpo", step),
      signal: session.signal,
    });
    const print = printer();
    for (;;) {
      const { value, done } = await events.next();
      if (!done) {
        if (isFirst) print(value);
        continue;
      }
      const { valLoss = null, preference = null } = lastValidation(flags.out, "dpo") ?? {};
      const result = { ...value, valLoss, heldOut: preference, data: report };
      return { result, text: summary(result), isInterrupted: value.reason === "stopped" };
    }
  });
}

/** A line every other second. */
function referencePrinter(): (done: number, total: number) => void {
  let told = performance.now();
  return (done, total) => {
    if (done < total && performance.now() - told < 2000) return;
    told = performance.now();
    say(`reference: ${grouped(done)} of ${grouped(total)} pairs`);
  };
}

function summary(result: {
  readonly run: string;
  readonly steps: number;
  readonly tokens: number;
  readonly trainLoss: number | null;
  readonly valLoss: number | null;
  readonly heldOut: PreferenceMetrics | null;
  readonly tokensPerSecond: number;
}): string {
  const { rewards, logprobs } = result.heldOut ?? {};
  return table([
    ["run", result.run],
    ["steps", grouped(result.steps)],
    ["tokens", grouped(result.tokens)],
    ["training loss", result.trainLoss?.toFixed(4) ?? "not measured"],
    ["held-out loss", result.valLoss?.toFixed(4) ?? "not measured"],
    ["held-out pairs in order", rewards ? `${(100 * rewards.accuracy).toFixed(1)} %` : "not measured"],
    ["held-out margin of rewards", rewards?.margin?.toFixed(4) ?? "not measured"],
    ["log-probability, chosen", logprobs?.chosen.toFixed(3) ?? "not measured"],
    ["log-probability, rejected", logprobs?.rejected.toFixed(3) ?? "not measured"],
    ["tokens per second", grouped(result.tokensPerSecond)],
  ]);
}
