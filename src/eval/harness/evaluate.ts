/**
 * An evaluation from its plan to its figures: what the cache knows is taken from there, the rest is asked of the model and kept as it comes,
 * then every document is scored and the scores are added up, by task and by group.
 */
import type { ReportedDoc, ScoringTools, TaskReport } from "../taskFile.js";
import { aggregate, standardError } from "./aggregate.js";
import { askOnce } from "./askOnce.js";
import { type EvalModel, type EvalRequest, type EvalResponse, RefusedRequest } from "./evalModel.js";
import { followUpRequest } from "./followUp.js";
import type { PlannedTask } from "./plan.js";
import type { SelectedGroup } from "./registry.js";
import { type RequestCache, requestKey } from "./requestCache.js";
import type { DocRequests } from "./requests.js";
import { type ScoredDoc, scoreDoc } from "./scoring.js";
import { type GroupPart, groupMean, pooledError, unweightedError } from "./statistics.js";

export interface EvaluateOptions {
  readonly model: EvalModel;
  /** Null: answers are kept nowhere. */
  readonly cache: RequestCache | null;
  readonly tools: ScoringTools;
  /** Ask and keep the answers, but score nothing. */
  readonly predictOnly: boolean;
  /** Text up to the last of these is a thought and not scored; null: all of an answer is. */
  readonly thinkEnd: string | null;
  /** Of the bootstrap. */
  readonly draws: number;
  readonly onProgress: (progress: Progress) => void;
  readonly signal: AbortSignal;
}

export interface Progress {
  readonly stage: "answering" | "scoring";
  readonly done: number;
  readonly total: number;
  /** Of `done`, found in the cache. */
  readonly cached: number;
}

/** What a task or group scored on one metric. */
export interface Figure {
  readonly metric: string;
  readonly filter: string;
  readonly value: number;
  /** Null: there is none. */
  readonly error: number | null;
  readonly higherIsBetter: boolean;
}

export interface EvaluatedDoc extends DocRequests {
  readonly responses: readonly EvalResponse[];
  /** One for each pipeline; none with predictOnly. */
  readonly scored: readonly ScoredDoc[];
}

export interface TaskOutcome extends Omit<PlannedTask, "docs"> {
  readonly docs: readonly EvaluatedDoc[];
  readonly figures: readonly Figure[];
  readonly health: Health;
  /** What the task shows beside its figures; null: nothing. */
  readonly report: TaskReport | null;
}

/** What makes figures worth less; shares of the documents. */
export interface Health {
  /** Answers that the limit of tokens ended; null for tasks that generate nothing. */
  readonly truncated: number | null;
  /** Prompts that lost their beginning; null where the model does not tell. */
  readonly cut: number | null;
  /** By pipeline: answers that nothing could be extracted from. */
  readonly invalid: Readonly<Record<string, number>>;
}

export interface GroupOutcome extends SelectedGroup {
  readonly figures: readonly Figure[];
}

/** @throws the signal's reason once it is aborted; what was answered until then is in the cache */
export async function evaluateTasks(planned: readonly PlannedTask[], options: EvaluateOptions): Promise<TaskOutcome[]> {
  const asked = planned.flatMap(({ task, docs }) =>
    docs.flatMap(({ docId, requests }) => requests.map((request) => ({ request, task: task.name, docId }))),
  );
  const responses = await answerAll(asked, options);
  let next = 0;
  const answered = planned.map((plan) => ({
    plan,
    docs: plan.docs.map((doc) => {
      const own = responses.slice(next, next + doc.requests.length);
      next += own.length;
      return { doc, responses: own };
    }),
  }));
  const total = answered.reduce((sum, { docs }) => sum + docs.length, 0);
  let done = 0;
  const outcomes: TaskOutcome[] = [];
  for (const { plan, docs } of answered) {
    const scored = await inOrder(docs, 8, async ({ doc, responses: own }): Promise<EvaluatedDoc> => {
      options.signal.throwIfAborted();
      const judged = options.thinkEnd === null ? own : own.map((each) => withoutThought(each, options.thinkEnd ?? ""));
      const scores = options.predictOnly ? [] : await scoreDoc(plan.task, doc, judged, toolsFor(doc, judged, options));
      options.onProgress({ stage: "scoring", done: ++done, total, cached: 0 });
      return { ...doc, responses: own, scored: scores };
    });
    const report = options.predictOnly ? null : (plan.task.file.report?.(scored.map(reported)) ?? null);
    outcomes.push({
      ...plan,
      docs: scored,
      figures: figuresOf(plan, scored, options),
      health: healthOf(plan, scored),
      report,
    });
  }
  return outcomes;
}

/** Figures of the groups from those of their tasks. */
export function groupFigures(groups: readonly SelectedGroup[], tasks: readonly TaskOutcome[]): GroupOutcome[] {
  return groups.map((selected): GroupOutcome => {
    const members = tasks.filter(({ task }) => selected.tasks.includes(task.name));
    const figures = (selected.group.aggregateMetricList ?? []).flatMap((metric): Figure[] => {
      const { weightBySize = true } = metric;
      const found = members.flatMap((member) =>
        member.figures.filter((figure) => figure.metric === metric.metric).map((figure) => ({ figure, member })),
      );
      const filters = metric.filterList ?? [...new Set(found.map(({ figure }) => figure.filter))];
      return filters.flatMap((filter): Figure[] => {
        const own = found.filter(({ figure }) => figure.filter === filter);
        if (own.length === 0) return [];
        const parts = own.map(({ figure, member }): GroupPart => ({ ...figure, size: member.docs.length }));
        return [
          {
            metric: metric.metric,
            filter,
            value: groupMean(parts, weightBySize),
            error: weightBySize ? pooledError(parts) : unweightedError(parts),
            higherIsBetter: own[0]?.figure.higherIsBetter ?? true,
          },
        ];
      });
    });
    return { ...selected, figures };
  });
}

interface Asked {
  readonly request: EvalRequest;
  readonly task: string;
  readonly docId: number;
}

async function answerAll(requests: readonly Asked[], options: EvaluateOptions): Promise<EvalResponse[]> {
  const { model, cache, onProgress, signal } = options;
  const keys = cache ? requests.map(({ request }) => requestKey(model.id, request)) : [];
  const responses: (EvalResponse | null)[] = requests.map((_, i) => cache?.find(keys[i] ?? "") ?? null);
  const missing = responses.flatMap((response, i) => (response ? [] : [i]));
  const cached = requests.length - missing.length;
  let done = cached;
  const tell = (): void => onProgress({ stage: "answering", done, total: requests.length, cached });
  tell();
  const of = (at: number): Asked => requests[missing[at] ?? 0] as Asked;
  try {
    await model.answer(
      missing.map((_, at) => of(at).request),
      (at, response) => {
        const i = missing[at] ?? 0;
        responses[i] = response;
        cache?.add(keys[i] ?? "", response);
        done++;
        tell();
      },
      signal,
    );
  } catch (error) {
    if (!(error instanceof RefusedRequest)) throw error;
    const { task, docId } = of(error.index);
    throw new RangeError(`task ${task}, document ${docId}: ${error.message}`);
  }
  return responses.map((response, i) => {
    if (response) return response;
    throw new Error(`internal: request ${i} was not answered`);
  });
}

function reported({ doc, scored, responses }: EvaluatedDoc): ReportedDoc {
  const [first] = responses;
  const written = first?.kind === "generate" ? first : null;
  return {
    doc,
    metrics: scored[0]?.metrics ?? {},
    promptTokens: written?.promptTokens ?? null,
    cost: written?.cost ?? null,
  };
}

/** With the way to put a further question to the model, where it has written an answer. */
function toolsFor(
  { requests }: DocRequests,
  responses: readonly EvalResponse[],
  options: EvaluateOptions,
): ScoringTools {
  const { model, cache, tools, thinkEnd, signal } = options;
  const [[request], [response]] = [requests, responses];
  if (request?.kind !== "generate" || response?.kind !== "generate") return tools;
  const followUp = async (message: string): Promise<string> => {
    const answer = await askOnce(model, cache, followUpRequest(request, response.text, message), signal);
    return (thinkEnd === null ? answer : withoutThought(answer, thinkEnd)).text;
  };
  return { ...tools, followUp };
}

function withoutThought<R extends EvalResponse>(response: R, end: string): R {
  if (response.kind !== "generate") return response;
  const at = response.text.lastIndexOf(end);
  return at < 0 ? response : { ...response, text: response.text.slice(at + end.length).trimStart() };
}

function figuresOf({ task }: PlannedTask, docs: readonly EvaluatedDoc[], options: EvaluateOptions): Figure[] {
  if (options.predictOnly) return [];
  return task.pipelines.flatMap(({ name: filter }) =>
    task.metrics.map(({ name, aggregation, higherIsBetter, hasError }): Figure => {
      const values = docs.flatMap(({ scored }) => {
        const value = scored.find((each) => each.filter === filter)?.metrics[name];
        return value === undefined ? [] : [value];
      });
      const error = hasError ? standardError(aggregation, values, options.draws) : null;
      return { metric: name, filter, value: aggregate(aggregation, values), error, higherIsBetter };
    }),
  );
}

function healthOf({ task }: PlannedTask, docs: readonly EvaluatedDoc[]): Health {
  const answers = docs.flatMap(({ responses }) => responses);
  const texts = answers.flatMap((each) => (each.kind === "generate" ? [each] : []));
  const cuts = answers.flatMap((each) => (each.kind === "rolling" || each.cutTokens === null ? [] : [each.cutTokens]));
  const share = (count: number, of: number): number => count / of;
  const invalid = task.pipelines
    .filter(({ fallback }) => fallback !== null)
    .map(({ name }) => {
      const own = docs.filter(({ scored }) => scored.some(({ filter, isInvalid }) => filter === name && isInvalid));
      return [name, share(own.length, docs.length)] as const;
    });
  return {
    truncated: texts.length === 0 ? null : share(texts.filter(({ isTruncated }) => isTruncated).length, texts.length),
    cut: cuts.length === 0 ? null : share(cuts.filter((cut) => cut > 0).length, cuts.length),
    invalid: Object.fromEntries(docs.some(({ scored }) => scored.length > 0) ? invalid : []),
  };
}

/** Results in the order of the values, some of them under way at once. */
async function inOrder<T, R>(values: readonly T[], atOnce: number, run: (value: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const workers = Array.from({ length: Math.min(atOnce, values.length) }, async () => {
    while (next < values.length) {
      const at = next++;
      results[at] = await run(values[at] as T);
    }
  });
  await Promise.all(workers);
  return results;
}
