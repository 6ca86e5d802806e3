/**
 * The quickstart's later stages: the pre-trained model is taught sums of two and three digits by supervised fine-tuning, as far as half to three
 * quarters of the held-out ones come out right, and goes on from there by reinforcement learning (GRPO), which sees no solution, only whether
 * its own answers are right. Learning rates are those of so small a model: DeepSeek-V3's 5e-6 and 1e-6 would not move it in so few steps.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { EvaluationEvent } from "../train/events.js";
import { readEvents, readRunRecord } from "../train/runFiles.js";
import { type Outcome, say } from "./output.js";

const family = "add-subtract";
/**
 * It ends in the middle of its schedule. One of so few steps that had run to its end would have settled where reinforcement moves it less
 * (docs/log.md).
 */
const sft = { records: 16_000, batch: 24, steps: 360, learningRate: 1.5e-3, minLearningRate: 1e-4, warmupSteps: 10 };
const grpo = {
  steps: 80,
  prompts: 32,
  group: 8,
  learningRate: 1e-4,
  minLearningRate: 1e-5,
  warmupSteps: 10, // AdamW's moments begin anew: its first steps would be taken in a direction of noise.
  maxNewTokens: 48,
};
/** Held-out problems to measure on: 500, which give a standard error of 2 points, or fewer where there is little time. */
function evalProblemsFor(seconds: number): number {
  return Math.max(20, Math.min(500, Math.round(2.5 * seconds)));
}

/** Share of held-out problems with the right answer, greedily; null: not measured. */
export interface Alignment {
  readonly exactMatch: { readonly base: number; readonly sft: number | null; readonly grpo: number | null };
  readonly steps: { readonly sft: number; readonly grpo: number };
  readonly isInterrupted: boolean;
}

/** Of all seconds, those for fine-tuning, reinforcement and measuring. */
export function alignmentSeconds(all: number): number {
  return Math.min(200, 0.3 * all);
}

/** Where the stages of a run are: beside it, so that the web page shows all of them. */
export function stageRuns(run: string): { readonly sft: string; readonly grpo: string } {
  const name = run.replace(/\/+$/, "");
  return { sft: `${name}-sft`, grpo: `${name}-grpo` };
}

/** Goes through what is not done yet of the stages. @param seconds for all of them */
export async function align(
  run: string,
  options: { readonly seconds: number; readonly seed: number; readonly threads: number | undefined },
): Promise<Alignment> {
  const { seconds, seed } = options;
  const common = { seed, ...(options.threads === undefined ? {} : { threads: options.threads }) };
  const begun = performance.now();
  const until = (share: number): number => begun + 1000 * share * seconds;
  const folders = stageRuns(run);
  const evalProblems = evalProblemsFor(seconds);
  const base = await exactMatchOf(run, evalProblems, common);
  say(`held-out sums before any example: ${(100 * base).toFixed(1)} % right`);
  const exactMatch = { base, sft: null as number | null, grpo: null as number | null };
  const told = (isInterrupted: boolean): Alignment => ({
    exactMatch,
    steps: { sft: stepsOf(folders.sft), grpo: stepsOf(folders.grpo) },
    isInterrupted,
  });

  const data = join(run, "sums.jsonl");
  if (!existsSync(data)) {
    const { generateData } = await import("./dataGenerate.js");
    await generateData({ family: [family], split: "train", count: sft.records, plain: true, seed, out: data });
  }
  const { runSft } = await import("./sft.js");
  const { records: _, ...rates } = sft;
  const tuned = await stage(folders.sft, sft.steps, (resume) =>
    runSft(
      {
        ...common,
        ...rates,
        model: run,
        data: [data],
        epochs: 1,
        length: 96,
        validationFraction: 0.01,
        resume,
        out: folders.sft,
      },
      until(0.3),
    ),
  );
  if (tuned?.isInterrupted) return told(true);

  const { runGrpo } = await import("./grpo.js");
  const asked = { problems: [family], plain: true, evalProblems, validateEvery: 20 };
  const reinforced = await stage(folders.grpo, grpo.steps, (resume) =>
    runGrpo(
      {
        ...common,
        ...grpo,
        ...asked,
        model: folders.sft,
        rolloutBatch: grpo.prompts * grpo.group,
        resume,
        out: folders.grpo,
      },
      until(0.85),
    ),
  );
  const evaluations = readEvents(folders.grpo).filter(
    (event): event is EvaluationEvent => event.kind === "evaluation" && event.stage === "grpo",
  );
  exactMatch.sft = evaluations[0]?.figures.accuracy ?? null;
  exactMatch.grpo = evaluations.at(-1)?.figures.accuracy ?? null;
  return told(reinforced?.isInterrupted ?? false);
}

/** Begins a stage, goes on with it, or leaves one that is done. */
async function stage(run: string, steps: number, work: (resume: boolean) => Promise<Outcome>): Promise<Outcome | null> {
  if (stepsOf(run) >= steps) return null;
  say("");
  return await work(readRunRecord(run) !== null);
}

function stepsOf(run: string): number {
  return readEvents(run).findLast((event) => event.kind === "step")?.step ?? 0;
}

/** Of the pre-trained model. */
async function exactMatchOf(
  run: string,
  evalProblems: number,
  options: { readonly seed: number; readonly threads?: number },
): Promise<number> {
  const { askedProblems, problemAccuracy } = await import("../posttrain/grpo/problems.js");
  const { resolveModelDirectory } = await import("../checkpoint/runDirectory.js");
  const { readConfig } = await import("../checkpoint/modelFiles.js");
  const { openTokenizer } = await import("../generate/openTokenizer.js");
  const { openEngine } = await import("./engine.js");
  const { seed, threads } = options;
  const directory = resolveModelDirectory(run);
  const tokenizer = openTokenizer(directory, readConfig(directory));
  if (!tokenizer) throw new Error(`internal: ${directory} has no tokenizer`);
  const choice = { families: [family], level: null, phrasing: "plain", seed } as const;
  const problems = askedProblems(tokenizer, "heldout", evalProblems, choice);
  await using model = await openEngine(directory, { ...(threads === undefined ? {} : { threads }), maxBatch: 128 });
  return (await problemAccuracy(model, problems, grpo.maxNewTokens)).accuracy;
}
