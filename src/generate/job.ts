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
  /** Tokens of the prompt that are read: all but a last one that is only scored. */
  readonly numRead: number;
  /** Keys of the whole pages of what is read. */
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
    const { prompt, promptLogprobs, promptLogprobsFrom, maxTokens } = request;
    const isScored = promptLogprobs !== null && maxTokens === 0 && prompt.length > 1;
    this.numRead = prompt.length - Number(isScored);
    this.keys = prefixKeys(prompt.subarray(0, this.numRead), request.salt);
    this.promptLogprobs = promptLogprobs === null ? null : promptLogprobsFrom === 0 ? [null] : [];
  }

  /** Position of the first that has to be passed through the model, for what follows from it; those before may come from the cache. */
  get firstWanted(): number {
    const { prompt, promptLogprobsFrom } = this.request;
    return this.promptLogprobs ? Math.max(0, promptLogprobsFrom - 1) : prompt.length - 1;
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
    return this.job.numRead - this.done;
  }

  /** That need pages from the start: the prompt, and what a choice that lost its pages has to replay. */
  get positions(): number {
    return this.resumed?.length ?? this.job.numRead;
  }

  /** Choices that will run when the prompt is read. */
  get choices(): readonly Choice[] {
    return this.resumed ? [this.resumed] : this.job.choices;
  }

  /** Pages that may come from the cache: never those of tokens that have to be read for what follows from them. */
  get keys(): readonly string[] {
    const first = this.resumed ? this.job.request.prompt.length - 1 : this.job.firstWanted;
    return this.job.keys.slice(0, Math.floor(first / pageSize));
  }
}
