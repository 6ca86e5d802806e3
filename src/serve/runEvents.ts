/**
 * The events of a run as the web page draws them: a training step becomes a point of the curves and a column of the heat maps, and many steps
 * become one of each, so that a run of a million steps and one of fifty take the same room. Everything else passes as it was written. Pure, and
 * used on both sides: the server thins what is on disk, the page thins what it has gathered.
 */
import type {
  CheckpointEvent,
  EvaluationEvent,
  SampleEvent,
  StartEvent,
  StepEvent,
  ValidationEvent,
} from "../train/events.js";

/** One or more steps of training: means, and for what only grows the value after the last. Null where no value was finite. */
export interface CurvePoint {
  readonly kind: "point";
  readonly stage: string;
  /** Of the last step in it. */
  readonly step: number;
  readonly tokens: number;
  readonly totalTokens: number;
  /** How many steps are in it. */
  readonly steps: number;
  readonly loss: number | null;
  readonly mtpLosses: readonly (number | null)[];
  readonly mtpAccuracy: readonly (number | null)[];
  readonly learningRate: number | null;
  readonly gradNorm: number | null;
  readonly tokensPerSecond: number | null;
  /** Of the worst layer. */
  readonly maxVio: number | null;
  /** Of reinforcement learning; null for other stages. */
  readonly policy: PolicyPoint | null;
}

/** What the answers of one or more steps were like: means. */
export interface PolicyPoint {
  readonly reward: number | null;
  readonly rewardStd: number | null;
  readonly entropy: number | null;
  /** Null without a reference too. */
  readonly kl: number | null;
  /** Mean tokens of an answer. */
  readonly length: number | null;
  /** Share of groups whose rewards were all alike. */
  readonly flatShare: number | null;
}

/** Tokens that each expert got over one or more steps. */
export interface LoadColumn {
  readonly kind: "load";
  readonly step: number;
  readonly tokens: number;
  readonly steps: number;
  readonly layers: readonly { readonly layer: number; readonly counts: readonly number[] }[];
}

export type RunEvent =
  | CurvePoint
  | LoadColumn
  | StartEvent
  | ValidationEvent
  | EvaluationEvent
  | SampleEvent
  | CheckpointEvent;

/** A line of metrics.jsonl: a file that anyone may have written. */
export type RawEvent = Readonly<Record<string, unknown>> & { readonly kind: string };

/** @returns null for a line that holds no event */
export function parseLine(line: string): RawEvent | null {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== "object" || value === null || !("kind" in value) || typeof value.kind !== "string")
      return null;
    return value as RawEvent;
  } catch {
    return null;
  }
}

export function isStep(event: RawEvent): event is RawEvent & StepEvent {
  return event.kind === "step" && typeof event.step === "number";
}

export function pointOf(event: RawEvent & StepEvent): CurvePoint {
  const worst = loadsOf(event).map(({ maxVio }) => finite(maxVio) ?? 0);
  return {
    kind: "point",
    stage: String(event.stage ?? ""),
    step: event.step,
    tokens: finite(event.tokens) ?? event.step,
    totalTokens: finite(event.totalTokens) ?? 0,
    steps: 1,
    loss: finite(event.loss),
    mtpLosses: numbers(event.mtpLosses),
    mtpAccuracy: numbers(event.mtpAccuracy),
    learningRate: finite(event.learningRate),
    gradNorm: finite(event.gradNorm),
    tokensPerSecond: finite(event.tokensPerSecond),
    maxVio: worst.length === 0 ? null : Math.max(...worst),
    policy: policyOf(event),
  };
}

function policyOf({ policy }: RawEvent & StepEvent): PolicyPoint | null {
  if (typeof policy !== "object" || policy === null) return null;
  return {
    reward: finite(policy.reward),
    rewardStd: finite(policy.rewardStd),
    entropy: finite(policy.entropy),
    kl: finite(policy.kl),
    length: finite(policy.length?.mean),
    flatShare: finite(policy.zeroStdShare),
  };
}

/** @returns null for a step of a model without experts */
export function loadOf(event: RawEvent & StepEvent): LoadColumn | null {
  const layers = loadsOf(event).map(({ layer, counts }) => ({ layer, counts }));
  if (layers.length === 0) return null;
  return { kind: "load", step: event.step, tokens: finite(event.tokens) ?? event.step, steps: 1, layers };
}

/** @param points of one stage, oldest first, at least one */
export function mergePoints(points: readonly CurvePoint[]): CurvePoint {
  const last = points.at(-1) as CurvePoint;
  const mean = (value: (point: CurvePoint) => number | null | undefined): number | null => {
    let [sum, weight] = [0, 0];
    for (const point of points) {
      const one = value(point);
      if (one === null || one === undefined) continue;
      sum += one * point.steps;
      weight += point.steps;
    }
    return weight === 0 ? null : sum / weight;
  };
  return {
    ...last,
    steps: points.reduce((sum, { steps }) => sum + steps, 0),
    loss: mean(({ loss }) => loss),
    mtpLosses: last.mtpLosses.map((_, k) => mean(({ mtpLosses }) => mtpLosses[k])),
    mtpAccuracy: last.mtpAccuracy.map((_, k) => mean(({ mtpAccuracy }) => mtpAccuracy[k])),
    gradNorm: mean(({ gradNorm }) => gradNorm),
    tokensPerSecond: mean(({ tokensPerSecond }) => tokensPerSecond),
    maxVio: mean(({ maxVio }) => maxVio),
    policy: last.policy && {
      reward: mean(({ policy }) => policy?.reward),
      rewardStd: mean(({ policy }) => policy?.rewardStd),
      entropy: mean(({ policy }) => policy?.entropy),
      kl: mean(({ policy }) => policy?.kl),
      length: mean(({ policy }) => policy?.length),
      flatShare: mean(({ policy }) => policy?.flatShare),
    },
  };
}

/** @param columns oldest first, at least one */
export function mergeLoads(columns: readonly LoadColumn[]): LoadColumn {
  const last = columns.at(-1) as LoadColumn;
  return {
    ...last,
    steps: columns.reduce((sum, { steps }) => sum + steps, 0),
    layers: last.layers.map(({ layer, counts }, index) => ({
      layer,
      counts: counts.map((_, expert) =>
        columns.reduce((sum, { layers }) => sum + (layers[index]?.counts[expert] ?? 0), 0),
      ),
    })),
  };
}

export interface Strides {
  /** Steps that make one point. */
  readonly stride: number;
  /** Steps that make one column. */
  readonly loadStride: number;
}

/**
 * Thins raw events. A group ends early where the step does not grow (the run went on from an earlier checkpoint) and at the end.
 * @param events in the order of the file
 */
export function thin(events: readonly RawEvent[], { stride, loadStride }: Strides): RunEvent[] {
  const result: RunEvent[] = [];
  let points: CurvePoint[] = [];
  let loads: LoadColumn[] = [];
  const flushPoints = (): void => {
    if (points.length > 0) result.push(mergePoints(points));
    points = [];
  };
  const flushLoads = (): void => {
    if (loads.length > 0) result.push(mergeLoads(loads));
    loads = [];
  };
  for (const event of events) {
    if (!isStep(event)) {
      result.push(event as unknown as RunEvent);
      continue;
    }
    const before = points.at(-1) ?? loads.at(-1);
    if (before && event.step <= before.step) {
      flushPoints();
      flushLoads();
    }
    points.push(pointOf(event));
    const load = loadOf(event);
    if (load) loads.push(load);
    if (points.length >= stride) flushPoints();
    if (loads.length >= loadStride) flushLoads();
  }
  flushPoints();
  flushLoads();
  return result;
}

/** Points of a curve and numbers in all heat maps that one answer, or one page, shall hold at most, about. */
const mostPoints = 1500;
const mostCells = 1_500_000;
const mostColumns = 120;

/** @param steps in the whole run, about @param sample any step of it; null if there is none yet */
export function stridesFor(steps: number, sample: RawEvent | null): Strides {
  const cells = sample && isStep(sample) ? loadsOf(sample).reduce((sum, { counts }) => sum + counts.length, 0) : 0;
  const columns = Math.max(16, Math.min(mostColumns, Math.floor(mostCells / Math.max(1, cells))));
  return { stride: Math.max(1, Math.ceil(steps / mostPoints)), loadStride: Math.max(1, Math.ceil(steps / columns)) };
}

type Load = StepEvent["layers"][number];

function loadsOf(event: RawEvent & StepEvent): readonly Load[] {
  const layers: unknown = event.layers;
  return Array.isArray(layers)
    ? layers.filter((load): load is Load => typeof load === "object" && load !== null && Array.isArray(load.counts))
    : [];
}

/** JSON writes numbers that are not finite as null. */
function finite(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function numbers(values: unknown): (number | null)[] {
  return Array.isArray(values) ? values.map(finite) : [];
}
