/**
 * What the page holds of one run: points and columns, merged two by two whenever there are too many, so that a run can be followed for weeks.
 * A step that is not later than the last one takes back what came after it, for the run went on from an earlier checkpoint.
 */
import {
  type CurvePoint,
  isStep,
  type LoadColumn,
  loadOf,
  mergeLoads,
  mergePoints,
  pointOf,
  type RawEvent,
  type RunEvent,
} from "../../../src/serve/runEvents.js";
import type {
  CheckpointEvent,
  EvaluationEvent,
  SampleEvent,
  StartEvent,
  ValidationEvent,
} from "../../../src/train/events.js";

export interface RunLimits {
  readonly points: number;
  readonly columns: number;
  readonly samples: number;
  readonly lines: number;
}

const usualLimits: RunLimits = { points: 3000, columns: 200, samples: 400, lines: 300 };

/** An event in words, for the list of what happened. */
export interface LogLine {
  readonly id: number;
  readonly kind: string;
  readonly step: number | null;
  readonly text: string;
}

export class RunData {
  start: StartEvent | null = null;
  readonly validations: ValidationEvent[] = [];
  readonly evaluations: EvaluationEvent[] = [];
  readonly samples: SampleEvent[] = [];
  readonly checkpoints: CheckpointEvent[] = [];
  readonly log: LogLine[] = [];
  readonly #limits: RunLimits;
  readonly #points: Group<CurvePoint>;
  readonly #loads: Group<LoadColumn>;
  #numLines = 0;

  constructor(limits: RunLimits = usualLimits) {
    this.#limits = limits;
    this.#points = new Group(mergePoints, limits.points);
    this.#loads = new Group(mergeLoads, limits.columns);
  }

  get points(): readonly CurvePoint[] {
    return this.#points.items;
  }

  get loads(): readonly LoadColumn[] {
    return this.#loads.items;
  }

  /** An event as the server thins it, or one as the run wrote it. */
  add(event: RunEvent | RawEvent): void {
    const raw = event as RawEvent;
    if (isStep(raw)) {
      const load = loadOf(raw);
      this.#step(pointOf(raw));
      if (load) this.#loads.add(load);
      return;
    }
    switch (event.kind) {
      case "point":
        this.#step(event as CurvePoint);
        break;
      case "load":
        this.#loads.add(event as LoadColumn);
        break;
      case "start":
        this.start = event as StartEvent;
        break;
      case "validation":
        this.validations.push(event as ValidationEvent);
        break;
      case "evaluation":
        this.evaluations.push(event as EvaluationEvent);
        break;
      case "sample":
        this.samples.push(event as SampleEvent);
        if (this.samples.length > this.#limits.samples) this.samples.shift();
        break;
      case "checkpoint":
        this.checkpoints.push(event as CheckpointEvent);
        break;
    }
    if (event.kind !== "point" && event.kind !== "load") this.#note(raw);
  }

  #step(point: CurvePoint): void {
    if (point.step <= (this.points.at(-1)?.step ?? -1)) this.#takeBack(point.step);
    this.#points.add(point);
    this.#note(point as unknown as RawEvent);
  }

  #takeBack(step: number): void {
    this.#points.dropFrom(step);
    this.#loads.dropFrom(step);
    for (const list of [this.validations, this.evaluations, this.samples, this.checkpoints]) {
      while ((list.at(-1)?.step ?? -1) >= step) list.pop();
    }
  }

  #note(event: RawEvent): void {
    const step = typeof event.step === "number" ? event.step : null;
    this.log.push({
      id: this.#numLines++,
      kind: event.kind === "point" ? "step" : event.kind,
      step,
      text: describe(event),
    });
    if (this.log.length > this.#limits.lines) this.log.shift();
  }
}

/** Items that are merged in pairs when they are too many; later ones then wait until as many steps as the earlier ones hold are together. */
class Group<T extends { readonly step: number; readonly steps: number }> {
  #done: T[] = [];
  #open: T[] = [];
  #stepsPerItem = 1;
  readonly #merge: (items: readonly T[]) => T;
  readonly #most: number;

  constructor(merge: (items: readonly T[]) => T, most: number) {
    this.#merge = merge;
    this.#most = most;
  }

  get items(): readonly T[] {
    return this.#open.length === 0 ? this.#done : [...this.#done, this.#merge(this.#open)];
  }

  add(item: T): void {
    this.#stepsPerItem = Math.max(this.#stepsPerItem, item.steps);
    this.#open.push(item);
    if (this.#open.reduce((sum, { steps }) => sum + steps, 0) < this.#stepsPerItem) return;
    this.#done.push(this.#merge(this.#open));
    this.#open = [];
    if (this.#done.length <= this.#most) return;
    const halved: T[] = [];
    for (let i = 0; i < this.#done.length; i += 2) halved.push(this.#merge(this.#done.slice(i, i + 2)));
    this.#done = halved;
    this.#stepsPerItem *= 2;
  }

  dropFrom(step: number): void {
    this.#done = this.#done.filter((item) => item.step < step);
    this.#open = this.#open.filter((item) => item.step < step);
  }
}

function describe(event: RawEvent): string {
  const number = (key: string, digits: number): string => {
    const value = event[key];
    return typeof value === "number" ? value.toFixed(digits) : "not finite";
  };
  switch (event.kind) {
    case "point": {
      const { policy } = event as unknown as CurvePoint;
      if (policy) return `reward ${policy.reward?.toFixed(3)}, entropy ${policy.entropy?.toFixed(3)}`;
      return `loss ${number("loss", 3)}, gradient norm ${number("gradNorm", 2)}, ${number("tokensPerSecond", 0)} tokens/s`;
    }
    case "evaluation":
      return Object.entries((event as unknown as EvaluationEvent).figures ?? {})
        .map(([name, value]) => `held-out ${name} ${value.toFixed(3)}`)
        .join(", ");
    case "start":
      return `${String(event.stage ?? "")} begins, ${Number(event.totalTokens ?? 0).toLocaleString("en")} tokens to go through`;
    case "validation":
      return event.valBitsPerByte === null
        ? `held-out loss ${number("valLoss", 3)}`
        : `held-out loss ${number("valLoss", 3)}, ${number("valBitsPerByte", 3)} bits per byte`;
    case "sample":
      return `writes ${JSON.stringify(String(event.text ?? "").slice(0, 80))}`;
    case "checkpoint":
      return `saved ${String(event.path ?? "")} in ${number("seconds", 1)} s`;
    default:
      return JSON.stringify(event).slice(0, 160);
  }
}
