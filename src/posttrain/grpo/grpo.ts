/**
 * Group-relative policy optimisation: sample a group of answers to each question, score them, and make the better ones of each group
 * likelier. DeepSeekMath 4.1 and the DeepSeek-V3 report 5.2.2; post-training.md 7.
 *
 * A step: questions, answers from the engine (which reads the very weights that are trained, so there is nothing to keep in step), rewards,
 * advantages, log-probabilities of the policy that sampled and of the reference, then one or more updates. The trainer's own
 * log-probabilities are pi_old, not the sampler's; how far the two are apart is told (8.4).
 * Deviation: with several processes each asks its share of the questions; experts are not spread over processes here.
 */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { markCheckpoint, markedCheckpoint } from "../../checkpoint/runDirectory.js";
import { hashInts, stream } from "../../data/random.js";
import { namingPath } from "../../files/atomic.js";
import type { LanguageModel } from "../../generate/languageModel.js";
import { modelInThread } from "../../generate/loadModel.js";
import { pageSize } from "../../generate/pages.js";
import { adapterCounts } from "../../model/adapter.js";
import type { SupervisedSequence } from "../../model/batch.js";
import type { DeepseekV3 } from "../../model/deepseekV3.js";
import { parameterCounts } from "../../model/flops.js";
import type { EvaluationEvent, StepEvent, TrainEvent, TrainResult } from "../../train/events.js";
import { peakFlops } from "../../train/floors.js";
import { learningRateAt } from "../../train/schedule.js";
import { openStage, type Stage, type StageInput, stageSchedule } from "../stage.js";
import { recordLogprobs } from "../supervisedLoss.js";
import type { BothLogprobs } from "./mismatch.js";
import { checkGrpo, type GrpoOptions } from "./options.js";
import { PromptLoader, type PromptLoaderState } from "./promptLoader.js";
import { openReference, type ReferencePolicy, referenceUnder } from "./referencePolicy.js";
import { rollOut } from "./rollout.js";
import { type ScoredAnswer, type Scorer, scoreGroups } from "./scoring.js";
import { policyMetrics } from "./tally.js";
import { answerSequence, type KnownAnswer, sampledRoutes, updatePolicy } from "./update.js";

export interface GrpoInput extends Omit<StageInput, "ownSettings" | "stage"> {
  readonly stage?: string;
  readonly options: GrpoOptions;
  /** Token ids of each question, ending where the answer begins. */
  readonly prompts: readonly { readonly ids: Int32Array }[];
  readonly scorer: Scorer;
  /** Measures the policy on what it is not asked in training: before the first step, every `settings.validateEvery`, after the last. */
  readonly evaluate: ((model: LanguageModel) => Promise<Readonly<Record<string, number>>>) | null;
  /** Time in performance.now() at which to end as if the steps were done; after one step at least. */
  readonly deadline?: number;
  readonly signal?: AbortSignal;
}

/** Table of answers in a run directory: one JSON object a line. */
export const answersFile = "answers.jsonl";

/** @throws RangeError for options, prompts or a checkpoint that do not fit the model */
export async function* grpo(input: GrpoInput): AsyncGenerator<TrainEvent, TrainResult> {
  const { options, settings, grid } = input;
  const name = input.stage ?? "grpo";
  checkGrpo(options);
  checkReference(input);
  const { size } = grid.world;
  if (grid.expertGroup.size > 1) {
    throw new RangeError("grpo: the engine of each process needs all experts; leave --expert-parallel at 1");
  }
  if (options.promptsPerStep % size !== 0) {
    throw new RangeError(`grpo: ${options.promptsPerStep} prompts a step do not divide among ${size} processes`);
  }
  using stage = await openStage({ ...input, stage: name, ownSettings: { ...options } });
  const loader = new PromptLoader(input.prompts.length, settings.seed);
  if (stage.loader) loader.restore(stage.loader as unknown as PromptLoaderState);
  const policy = new Policy(input, name, stage, loader);
  try {
    for await (const event of policy.train()) {
      stage.record(event);
      yield event;
    }
    return policy.result();
  } finally {
    policy.free();
  }
}

class Policy {
  readonly #input: GrpoInput;
  readonly #name: string;
  readonly #stage: Stage;
  readonly #loader: PromptLoader;
  readonly #begun = performance.now();
  #reference: ReferencePolicy | null = null;
  #step: number;
  /** Tokens of answers so far. */
  #tokens: number;
  #seconds = 0;
  #loss: number | null = null;
  #reason: TrainResult["reason"] = "finished";

  constructor(input: GrpoInput, name: string, stage: Stage, loader: PromptLoader) {
    this.#input = input;
    this.#name = name;
    this.#stage = stage;
    this.#loader = loader;
    ({ step: this.#step, tokens: this.#tokens } = stage.start);
    if (input.options.loss.beta !== 0) this.#openReference();
  }

  async *train(): AsyncGenerator<TrainEvent> {
    const { options, settings, grid, signal, run } = this.#input;
    const { model } = this.#stage;
    const { total, activated, mtp } = parameterCounts(model.config);
    const adapter = model.adapter ? { adapter: adapterCounts(model).total } : {};
    yield {
      kind: "start",
      stage: this.#name,
      step: this.#step,
      tokens: this.#tokens,
      totalTokens: this.#expectedTokens(),
      parameters: { total, activated, mtp, ...adapter },
      world: grid.world.size,
      peakFlops: peakFlops(model.dtype),
    };
    if (this.#step === 0) yield* this.#evaluate();
    let savedAt = this.#step > 0 ? this.#step : -1;
    while (this.#step < options.steps && this.#step < (settings.maxSteps ?? Number.POSITIVE_INFINITY)) {
      await setImmediate();
      const wishes = Int32Array.of(
        signal?.aborted ? 1 : 0,
        performance.now() >= (this.#input.deadline ?? Number.POSITIVE_INFINITY) && this.#step > this.#stage.start.step
          ? 1
          : 0,
      );
      await grid.world.allReduce(wishes, "max");
      if (wishes[0] === 1) {
        this.#reason = "stopped";
        break;
      }
      if (wishes[1] === 1) break;
      yield await this.#oneStep();
      const isLast = this.#step >= options.steps;
      const every = (interval: number): boolean => interval > 0 && this.#step % interval === 0;
      if (every(settings.validateEvery) && !isLast) yield* this.#evaluate();
      const movesReference = every(options.referenceEvery) && options.loss.beta !== 0;
      if ((every(settings.saveEvery) && !isLast) || movesReference) {
        yield await this.#save();
        savedAt = this.#step;
      }
      if (movesReference) {
        if (grid.world.rank === 0) markCheckpoint(run, "reference", this.#step);
        await grid.world.barrier();
        this.#openReference();
      }
    }
    if (this.#reason === "finished") yield* this.#evaluate();
    if (savedAt !== this.#step) yield await this.#save();
  }

  result(): TrainResult {
    return {
      run: this.#input.run,
      steps: this.#step,
      tokens: this.#tokens,
      trainLoss: this.#loss,
      valBitsPerByte: null,
      tokensPerSecond: this.#seconds > 0 ? (this.#tokens - this.#stage.start.tokens) / this.#seconds : 0,
      seconds: (performance.now() - this.#begun) / 1000,
      reason: this.#reason,
    };
  }

  free(): void {
    this.#reference?.free();
    this.#reference = null;
  }

  async #oneStep(): Promise<StepEvent> {
    const { options, settings, grid, run } = this.#input;
    const { trainer, model } = this.#stage;
    const begun = performance.now();
    const seconds = { rollout: 0, reward: 0, logprobs: 0, update: 0 };
    const timed = async <T>(phase: keyof typeof seconds, work: () => Promise<T>): Promise<T> => {
      const started = performance.now();
      const result = await work();
      seconds[phase] += (performance.now() - started) / 1000;
      return result;
    };
    const answers = await this.#answers(timed);
    const learns = options.zeroVariance === "keep" ? answers : answers.filter(({ isFlat }) => !isFlat);
    const sequences = learns.map(answerSequence);
    const sampled = options.routerReplay === "rollout" ? learns.map((answer) => this.#withSampledRoutes(answer)) : null;
    const { temperature } = options.rollout;
    const logprobs = (of: DeepseekV3, records: readonly SupervisedSequence[]): ReturnType<typeof recordLogprobs> =>
      recordLogprobs(of, records, temperature, settings.microBatchTokens);
    const [old, reference] = await timed("logprobs", async () => [
      await logprobs(model, sampled ?? sequences),
      this.#reference ? await this.#reference.ask((of) => logprobs(of, sequences)) : null,
    ]);
    const known = learns.map((answer, i): KnownAnswer => {
      const [sequence, own] = [sequences[i], old[i]];
      if (!sequence || !own) throw new Error("internal: an answer without its log-probabilities");
      const replayed = options.routerReplay === "policy" ? { ...sequence, routes: own.routes } : sampled?.[i];
      return { ...answer, sequence: replayed ?? sequence, old: own, reference: reference?.[i] ?? null };
    });
    const schedule = stageSchedule(settings, options.steps);
    const learningRate = learningRateAt(schedule.learningRate, this.#step + 1, this.#step);
    const rates = { learningRate, alpha: settings.alpha };
    const { losses, steps } = await timed("update", () =>
      updatePolicy(known, {
        trainer,
        world: grid.world,
        options,
        microBatchTokens: settings.microBatchTokens,
        rates,
        seed: hashInts(settings.seed, stream.updates, this.#step, grid.world.rank),
      }),
    );
    const facts = { answers, groupSize: options.rollout.groupSize, learned: known.length, losses, seconds };
    const { metrics, loss } = await policyMetrics(
      { ...facts, hasReference: this.#reference !== null, logprobs: known.map(bothLogprobs) },
      grid.world,
    );
    this.#step++;
    const elapsed = (performance.now() - begun) / 1000;
    const tokens = Math.round(metrics.length.mean * metrics.answers);
    this.#tokens += tokens;
    this.#seconds += elapsed;
    this.#loss = loss;
    if (options.logEvery > 0 && this.#step % options.logEvery === 0 && grid.world.rank === 0) {
      writeAnswers(join(run, answersFile), this.#step, answers, this.#input);
    }
    const last = steps.at(-1);
    return {
      kind: "step",
      stage: this.#name,
      step: this.#step,
      tokens: this.#tokens,
      totalTokens: this.#expectedTokens(),
      loss,
      mtpLosses: [],
      mtpAccuracy: [],
      balanceLoss: last?.balanceLoss ?? 0,
      learningRate,
      gamma: 0,
      alpha: settings.alpha,
      lambda: 0,
      batchSize: metrics.answers,
      gradNorm: last?.gradNorm ?? 0,
      tokensPerSecond: tokens / elapsed,
      peakFraction: 0,
      memoryBytes: process.memoryUsage.rss(),
      layers: last?.layers ?? [],
      skipped: steps.flatMap(({ skipped }) => skipped),
      policy: metrics,
    };
  }

  /** This process's answers of a step; groups that teach nothing are replaced if so asked. */
  async #answers(
    timed: <T>(phase: "rollout" | "reward", work: () => Promise<T>) => Promise<T>,
  ): Promise<ScoredAnswer[]> {
    const { options, settings, prompts, scorer, grid, signal } = this.#input;
    const { groupSize } = options.rollout;
    const { rank, size } = grid.world;
    const wanted = options.promptsPerStep / size;
    const traces = options.routerReplay === "rollout";
    const kept: ScoredAnswer[] = [];
    for (let round = 0; ; round++) {
      // Every process draws for all and takes its own.
      const questions = this.#loader.next(options.promptsPerStep).filter((_, i) => i % size === rank);
      const asked = questions.map((question, i) => ({
        ids: prompts[question]?.ids ?? new Int32Array(),
        seed: hashInts(settings.seed, stream.rollouts, this.#step, round, i * size + rank),
      }));
      const rollouts = await timed("rollout", () =>
        this.#engine((model) => rollOut(model, asked, { ...options.rollout, traces }, signal)),
      );
      const answers = rollouts.map((each) => ({ ...each, question: questions[each.prompt] ?? -1 }));
      const scored = await timed("reward", () => scoreGroups(answers, groupSize, scorer, options.advantage));
      if (options.zeroVariance !== "refill") return scored;
      kept.push(...scored.filter(({ isFlat }) => !isFlat));
      const missing = Int32Array.of(kept.length < wanted * groupSize ? 1 : 0);
      await grid.world.allReduce(missing, "max");
      if (missing[0] === 1 && round < options.maxRefills) continue;
      // Without a group that teaches anything the step shows what there was.
      return kept.length > 0 ? kept.slice(0, wanted * groupSize) : scored;
    }
  }

  /** The answer as a record that sends its tokens to the experts they were sampled with. */
  #withSampledRoutes(answer: ScoredAnswer): SupervisedSequence {
    const { model } = this.#stage;
    const layers = model.moeLayers.map(({ layer }) => layer).filter((layer) => layer < model.config.numHiddenLayers);
    return { ...answerSequence(answer), routes: sampledRoutes(answer, layers, model.config.numExpertsPerTok) };
  }

  /** An engine on the weights as they are now: pages of the cache that others made are worth nothing. */
  async #engine<T>(work: (model: LanguageModel) => Promise<T>): Promise<T> {
    const { options, tokenizer, prompts } = this.#input;
    const { model } = this.#stage;
    const longest = Math.max(...prompts.map(({ ids }) => ids.length)) + options.rollout.maxTokens;
    const each = Math.min(model.config.maxPositionEmbeddings, longest);
    await using engine = modelInThread(model, tokenizer, {
      maxBatch: options.batch,
      // Whole pages for every choice that runs, and some for prompts that wait.
      cacheTokens: (options.batch + 8) * Math.ceil(each / pageSize + 1) * pageSize,
      speculation: 0,
    });
    return await work(engine);
  }

  async *#evaluate(): AsyncGenerator<EvaluationEvent> {
    const { evaluate } = this.#input;
    if (!evaluate) return;
    const begun = performance.now();
    const figures = await this.#engine(evaluate);
    const seconds = (performance.now() - begun) / 1000;
    yield { kind: "evaluation", stage: this.#name, step: this.#step, tokens: this.#tokens, figures, seconds };
  }

  async #save(): Promise<TrainEvent> {
    const begun = performance.now();
    const path = await this.#stage.save(this.#step, this.#tokens, { ...this.#loader.state() });
    const seconds = (performance.now() - begun) / 1000;
    return { kind: "checkpoint", stage: this.#name, step: this.#step, path, seconds };
  }

  #openReference(): void {
    const { run, base } = this.#input;
    const { model } = this.#stage;
    this.#reference?.free();
    this.#reference = model.adapter
      ? referenceUnder(model)
      : openReference(markedCheckpoint(run, "reference")?.path ?? base, model.dtype);
  }

  /** Tokens of answers at the end, if the rest is as long as what came so far. */
  #expectedTokens(): number {
    const { options } = this.#input;
    const each =
      this.#step > 0
        ? this.#tokens / this.#step
        : options.promptsPerStep * options.rollout.groupSize * options.rollout.maxTokens;
    return Math.max(this.#tokens, Math.round(each * options.steps));
  }
}

/** @throws RangeError where the weights under the adapter would not be the reference that is asked for */
function checkReference({ adapter, options }: GrpoInput): void {
  if (!adapter || options.loss.beta === 0) return;
  if (options.referenceEvery > 0) {
    throw new RangeError(
      "grpo: over an adapter the reference is the base, which does not move; leave --reference-every at 0, or --beta 0 for none",
    );
  }
  if (typeof adapter.from === "string") {
    throw new RangeError(
      `grpo: ${adapter.from} is an adapter, and the reference would be the model without it; make one model of both ` +
        "(fathom convert --merge) and begin with that, or train without a reference (--beta 0)",
    );
  }
}

/** Of the answer's tokens by trainer and sampler, at equal weights. */
function bothLogprobs({ promptIds, logprobs: sampler, old }: KnownAnswer): BothLogprobs {
  return { trainer: old.logprobs.subarray(promptIds.length), sampler };
}

function writeAnswers(
  path: string,
  step: number,
  answers: readonly ScoredAnswer[],
  { tokenizer }: Pick<GrpoInput, "tokenizer">,
): void {
  const lines = answers.map(({ promptIds, text, reward, parts, advantage, finishReason, completionIds }) =>
    JSON.stringify({
      step,
      prompt: tokenizer.decode(promptIds),
      answer: text,
      reward,
      parts,
      advantage,
      finishReason,
      tokens: completionIds.length,
    }),
  );
  try {
    appendFileSync(path, `${lines.join("\n")}\n`);
  } catch (error) {
    throw namingPath(error, path);
  }
}
