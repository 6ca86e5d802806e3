/** From a model's answers to what a document scored, once for each pipeline of filters. */
import type { Doc, MetricValue, Scored, ScoringTools } from "../taskFile.js";
import type { EvalResponse } from "./evalModel.js";
import { type CompiledMetric, scoreChoices, scoreContinuation, scoreDocument, scoreTexts } from "./metrics.js";
import type { DocRequests } from "./requests.js";
import type { Task } from "./task.js";
import { goldTexts } from "./taskTexts.js";

export interface ScoredDoc extends Scored {
  readonly filter: string;
  /** The answers as the pipeline left them; of log-likelihoods the answers themselves. */
  readonly filteredResps: readonly unknown[];
  /** Nothing could be extracted from an answer. */
  readonly isInvalid: boolean;
}

/** @throws RangeError naming task and document, for answers that cannot be scored */
export async function scoreDoc(
  task: Task,
  asked: DocRequests,
  responses: readonly EvalResponse[],
  tools: ScoringTools,
): Promise<ScoredDoc[]> {
  try {
    if (task.file.outputType === "generate_until") return await scoreGenerated(task, asked, responses, tools);
    const metrics = new Map(task.metrics.map((metric) => [metric.name, scoreLikelihoods(metric, asked, responses)]));
    const filteredResps = responses.map((response) =>
      response.kind === "loglikelihood" ? [response.logprob, response.isGreedy] : logprobOf(response),
    );
    return [{ filter: "none", metrics: Object.fromEntries(metrics), filteredResps, isInvalid: false }];
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new RangeError(`task ${task.name}, document ${asked.docId}: ${error.message}`);
  }
}

function scoreLikelihoods(metric: CompiledMetric, asked: DocRequests, responses: readonly EvalResponse[]): MetricValue {
  const { requests, choices, gold } = asked;
  const [request] = requests;
  const logprobs = responses.map(logprobOf);
  const isGreedy = responses.map((response) => response.kind === "loglikelihood" && response.isGreedy);
  if (request?.kind === "rolling") return scoreDocument(metric, logprobs[0] ?? Number.NaN, request.text);
  if (!choices) return scoreContinuation(metric, logprobs[0] ?? Number.NaN, isGreedy[0] ?? false);
  const count = choices.length;
  return scoreChoices(metric, {
    logprobs: logprobs.slice(0, count),
    isGreedy: isGreedy.slice(0, count),
    unconditional: logprobs.length > count ? logprobs.slice(count) : null,
    texts: choices,
    gold,
  });
}

async function scoreGenerated(
  task: Task,
  { doc, target, choices }: DocRequests,
  responses: readonly EvalResponse[],
  tools: ScoringTools,
): Promise<ScoredDoc[]> {
  const texts = responses.map((response) => {
    if (response.kind !== "generate") throw new Error(`internal: a ${response.kind} response to a request for text`);
    return response.text;
  });
  const golds = goldTexts(target, choices);
  const scored: ScoredDoc[] = [];
  for (const pipeline of task.pipelines) {
    const filtered = pipeline.apply(texts, doc, choices);
    const { metrics, details } = task.file.scorer
      ? await task.file.scorer({ doc, target, responses: filtered, filter: pipeline.name }, tools)
      : await scoreNamed(task, doc, filtered, golds, tools);
    for (const { name } of task.metrics) {
      if (metrics[name] === undefined) throw new Error(`internal: the scorer gave no value for ${name}`);
    }
    const isInvalid = pipeline.fallback !== null && filtered.includes(pipeline.fallback);
    scored.push({
      filter: pipeline.name,
      metrics,
      ...(details === undefined ? {} : { details }),
      filteredResps: filtered,
      isInvalid,
    });
  }
  return scored;
}

async function scoreNamed(
  task: Task,
  doc: Doc,
  responses: readonly string[],
  golds: readonly string[],
  tools: ScoringTools,
): Promise<Scored> {
  const metrics: Record<string, MetricValue> = {};
  const details: Record<string, unknown> = {};
  for (const metric of task.metrics) {
    const template = task.judgePrompts.get(metric.name);
    if (!template) {
      metrics[metric.name] = scoreTexts(metric, responses, golds);
      continue;
    }
    const prompt = template.render({ ...doc, target: golds[0] ?? "", response: responses[0] ?? "" });
    const verdict = await tools.judge(prompt);
    metrics[metric.name] = isAffirmed(verdict) ? 1 : 0;
    details[metric.name] = { prompt, verdict };
  }
  return Object.keys(details).length === 0 ? { metrics } : { metrics, details };
}

/** What a judge says first: A, yes, true or correct mean right, everything else means wrong. */
export function isAffirmed(verdict: string): boolean {
  return /^(a|yes|true|correct)$/i.test(/[\p{L}\p{N}]+/u.exec(verdict)?.[0] ?? "");
}

function logprobOf(response: EvalResponse): number {
  if (response.kind === "generate") throw new Error("internal: a text in response to a request for a log-likelihood");
  return response.logprob;
}
