/** Training events as lines on standard error: one a step at first and then a few a second at most, with what is left to do. */
import type { PrepareProgress } from "../data/prepare.js";
import type { TokenizerTrainingEvent } from "../tokenizer/bpeTrainer.js";
import type { PolicyMetrics, SampleEvent, StepEvent, TrainEvent } from "../train/events.js";
import { grouped, say } from "./output.js";

/** @param linesEvery seconds between step lines */
export function printer(linesEvery = 2): (event: TrainEvent) => void {
  let told = Number.NEGATIVE_INFINITY;
  let first: { at: number; tokens: number } | null = null;
  return (event) => {
    if (event.kind === "start") {
      const { total, activated, mtp, adapter } = event.parameters;
      say(
        `${event.stage}: ${grouped(total)} parameters (${grouped(activated)} a token${mtp > 0 ? `, ${grouped(mtp)} in MTP` : ""}), ` +
          `${adapter === undefined ? "" : `${grouped(adapter)} more in the adapter, which alone are trained, `}` +
          `${grouped(event.totalTokens)} tokens to train on${event.step > 0 ? `, going on from step ${event.step}` : ""}` +
          `${event.world > 1 ? `, ${event.world} processes` : ""}`,
      );
    } else if (event.kind === "step") {
      const now = performance.now() / 1000;
      first ??= { at: now, tokens: event.tokens };
      for (const name of event.skipped) say(`step ${event.step}: ${name} is not finite; the step was left out`);
      if (now - told < linesEvery && event.tokens < event.totalTokens) return;
      told = now;
      const rate = now > first.at ? (event.tokens - first.tokens) / (now - first.at) : event.tokensPerSecond;
      say(event.policy ? policyLine(event, event.policy) : stepLine(event, rate));
    } else if (event.kind === "validation") {
      const { valBitsPerByte: bits, valAccuracy: accuracy, preference, calibration } = event;
      const { margin = null } = preference?.rewards ?? {};
      const figures = [
        ...(bits === null ? [] : [`${bits.toFixed(4)} bits per byte`]),
        `loss ${event.valLoss.toFixed(4)}`,
        ...(accuracy === undefined
          ? []
          : [`${(100 * accuracy).toFixed(1)} % of ${preference ? "answers" : "tokens"} right`]),
        ...(margin === null ? [] : [`margin ${margin.toFixed(3)}`]),
        ...(calibration ? [`calibration error ${calibration.error.toFixed(3)}`] : []),
      ];
      say(`step ${event.step}: held-out ${figures.join(", ")} (${event.seconds.toFixed(1)} s)`);
    } else if (event.kind === "evaluation") {
      const figures = Object.entries(event.figures).map(([name, value]) => `${name} ${value.toFixed(3)}`);
      say(`step ${event.step}: held-out ${figures.join(", ")} (${event.seconds.toFixed(1)} s)`);
    } else if (event.kind === "checkpoint") {
      say(`step ${event.step}: saved ${event.path}`);
    } else if (event.kind === "sample") {
      say(sampleText(event));
    }
  };
}

/** Reading and encoding of text, a line a second. */
export function preparationPrinter(): (progress: PrepareProgress) => void {
  return everySecond(({ phase, source, documents, bytes, totalBytes }) => {
    const share = totalBytes === null ? "" : `, ${((100 * bytes) / totalBytes).toFixed(1)} %`;
    const what = phase === "scan" ? "reading" : "encoding";
    return `${what} ${source}: ${grouped(documents)} documents, ${grouped(bytes)} bytes${share}`;
  });
}

/** Training of a tokenizer, a line a second. */
export function tokenizerPrinter(): (event: Exclude<TokenizerTrainingEvent, { stage: "done" }>) => void {
  return everySecond((event) =>
    event.stage === "count"
      ? `counting: ${grouped(event.documents)} documents, ${grouped(event.bytes)} bytes`
      : `merging: ${grouped(event.merges)} of ${grouped(event.maxMerges)}`,
  );
}

function everySecond<T>(line: (value: T) => string): (value: T) => void {
  let told = performance.now();
  return (value) => {
    if (performance.now() - told < 1000) return;
    told = performance.now();
    say(line(value));
  };
}

function stepLine(event: StepEvent, rate: number): string {
  // Where MTP modules are not trained there is no token of theirs, and the mean is 0.
  const isTrained = event.mtpLosses.some((loss) => loss > 0);
  const mtp = isTrained ? event.mtpLosses.map((loss) => loss.toFixed(3)).join("/") : "";
  const vio =
    event.layers.length > 0 ? ` maxvio ${Math.max(...event.layers.map(({ maxVio }) => maxVio)).toFixed(2)}` : "";
  const { accuracy, margin } = event.preference?.rewards ?? {};
  const order =
    accuracy === undefined
      ? ""
      : ` right ${(100 * accuracy).toFixed(0)} %${margin == null ? "" : ` margin ${margin.toFixed(3)}`}`;
  const left = rate > 0 ? duration((event.totalTokens - event.tokens) / rate) : "?";
  return (
    `step ${String(event.step).padStart(5)} ${((100 * event.tokens) / event.totalTokens).toFixed(1).padStart(5)} % ` +
    `loss ${event.loss.toFixed(3)}${mtp === "" ? "" : ` mtp ${mtp}`}${order} lr ${event.learningRate.toExponential(2)} ` +
    `norm ${event.gradNorm.toFixed(2)}${vio} ${grouped(event.tokensPerSecond)} tok/s ${(100 * event.peakFraction).toFixed(0)} % of peak, ${left} left`
  );
}

function policyLine({ step, loss, gradNorm, learningRate }: StepEvent, policy: PolicyMetrics): string {
  const { reward, rewardStd, zeroStdShare, kl, entropy, clipLow, clipHigh, length, truncatedShare, seconds } = policy;
  const whole = seconds.rollout + seconds.reward + seconds.logprobs + seconds.update;
  return (
    `step ${String(step).padStart(5)} reward ${reward.toFixed(3)} spread ${rewardStd.toFixed(3)} flat ${(100 * zeroStdShare).toFixed(0)} % ` +
    `loss ${loss.toFixed(4)}${kl === null ? "" : ` kl ${kl.toFixed(4)}`} entropy ${entropy.toFixed(3)} ` +
    `clip ${(100 * (clipLow + clipHigh)).toFixed(1)} % length ${length.mean.toFixed(1)} cut ${(100 * truncatedShare).toFixed(0)} % ` +
    `lr ${learningRate.toExponential(2)} norm ${gradNorm.toFixed(2)} ${whole.toFixed(1)} s (${((100 * seconds.rollout) / whole).toFixed(0)} % answers)`
  );
}

function sampleText({ stage, prompt, suffix, text, truth }: SampleEvent): string {
  const rule = "-".repeat(72);
  // Stages after pre-training hold out records of conversations.
  if (stage === "sft" || stage === "dpo") {
    return `${rule}\nanswer to a held-out record:\n${prompt.slice(-300)}\n--- model:\n${text}\n--- record:\n${truth}`;
  }
  const head = suffix === null ? "completion" : "fill in the middle";
  const tail = suffix === null ? "" : `\n... then follows: ${JSON.stringify(suffix.slice(0, 60))}`;
  return `${rule}\n${head} of a held-out file, after:\n${prompt.slice(-300)}\n--- model:\n${text}\n--- file:\n${truth}${tail}`;
}

export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  const two = (value: number): string => String(value).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
