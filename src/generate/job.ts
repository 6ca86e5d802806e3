/** A request on its way through the engine: waiting, its prompt being read, its choices being written. Who holds which pages is said here. */
import type { CheckedRequest } from "./checkRequest.js";
import { Choice, type ChoiceSettings } from "./choice.js";
import { pageSize, prefixKeys } from "./pages.js";
import type { GenerationEvent, PositionLogprobs } from "./request.js";

export class Job {
  readonly id: number;
  readonly request: CheckedRequest;
  readonly settings: ChoiceSettings;
  readonly choices: readonly Choice[];
  /** Keys of the prompt's whole pages. */
  readonly keys: readonly string[];
  readonly promptLogprobs: (PositionLogprobs | null)[] | null;
  readonly emit: (event: GenerationEvent) => void;
  isAborted = false;
  readonly createdAt = performance.now();

  constructor(id: number, settings: ChoiceSettings, emit: (event: GenerationEvent) => void) {
    const { request } = settings;
    this.id = id;
    this.request = request;
    this.settings = settings;
    this.emit = emit;
    this.choices = Array.from({ length: request.n }, (_, i) => new Choice(i, settings));
    this.keys = prefixKeys(request.prompt, request.salt);
    this.promptLogprobs = request.promptLogprobs === null ? null : [null];
  }

  get isFinished(): boolean {
    return this.choices.every(({ isFinished }) => isFinished);
  }
}

/** A prompt to be read: of a new request, or again for a choice that lost its pages. */
export class PromptWork {
  readonly job: Job;
  /** The choice that is taken up again; null: the first time, for all. */
  readonly resumed: Choice | null;
  /** All that `positions` need, once the work is admitted. */
  pages: number[] = [];
  /** Positions that the cache holds. */
  done = 0;
  /** Of these, found in the cache. */
  cached = 0;
  admittedAt = 0;

  constructor(job: Job, resumed: Choice | null) {
    this.job = job;
    this.resumed = resumed;
  }

  get left(): number {
    return this.job.request.prompt.length - this.done;
  }

  /** That need pages from the start: the prompt, and what a choice that lost its pages has to replay. */
  get positions(): number {
    return this.resumed?.length ?? this.job.request.prompt.length;
  }

  /** Choices that will run when the prompt is read. */
  get choices(): readonly Choice[] {
    return this.resumed ? [this.resumed] : this.job.choices;
  }

  /**
   * Pages that may come from the cache: never the one of the last token, which has to be read for what follows it, and none if the prompt's own
   * probabilities are asked for.
   */
  get keys(): readonly string[] {
    if (this.job.promptLogprobs && !this.resumed) return [];
    return this.job.keys.slice(0, Math.floor((this.job.request.prompt.length - 1) / pageSize));
  }
}
