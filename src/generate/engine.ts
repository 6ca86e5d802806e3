/**
 * Continuous batching over one model (infrastructure.md 7.1). A step reads some more of the prompts that wait, within a budget of tokens, or
 * writes a token to every choice that runs, several where drafts hold; while a long prompt is read, running choices get their steps in
 * between. What a request gets does not depend on the others: rows of one pass do not touch each other, prompts are cut at borders of pages,
 * and a choice that lost its pages to others has its prompt read anew and its tokens replayed row by row.
 */

import type { DeepseekV3 } from "../model/deepseekV3.js";
import type { Dispatched } from "../model/moe.js";
import { type DrawnToken, drawTokens, type TokenWish } from "../tensor/ops/drawTokens.js";
import { gatherRows } from "../tensor/ops/elementwise.js";
import type { CacheDtype } from "../tensor/ops/latentAttention.js";
import type { Tape } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { checkRequest } from "./checkRequest.js";
import type { Choice } from "./choice.js";
import { DraftDepth } from "./draftDepth.js";
import { type Confirmed, Drafter } from "./drafter.js";
import { decodeRows, type PromptRun, prefillRuns, type TokenRow } from "./forward.js";
import { Grammars } from "./grammars.js";
import { Job, PromptWork } from "./job.js";
import { LatentCache } from "./latentCache.js";
import { pageSize, pagesFor } from "./pages.js";
import { readPromptLogprobs } from "./promptLogprobs.js";
import type { EngineStats, FinishReason, GenerationEvent, GenerationRequest } from "./request.js";
import { runningSums } from "./runningSums.js";
import { Schedule, type Span } from "./schedule.js";

export interface EngineOptions {
  /** Choices that run at once; more wait. */
  readonly maxBatch: number;
  /** Tokens that the cache holds, over all requests. */
  readonly cacheTokens: number;
  readonly cacheDtype?: CacheDtype | undefined;
  /** Most drafts of a step and choice, 0 to 4; without effect for a model without MTP modules. */
  readonly speculation: number;
  /** Draft as many as that in each step, not as many as pay. Default false. */
  readonly isDepthFixed?: boolean;
  /** Most prompt tokens of a pass. Default 1024. */
  readonly passTokens?: number;
  /** What has befallen the model's files; null, the default, if nothing has. Asked before anything is told that follows from a pass. */
  readonly damage?: () => string | null;
  /** Lets messages in between pieces of work. */
  readonly breathe: () => Promise<void>;
}

const usualPassTokens = 1024;
/** Time for a prompt between two steps of the running choices, by the time of such a step: a prompt keeps three fifths of its speed. */
const promptShare = 1.55;

export class Engine implements Disposable {
  readonly maxPositions: number;
  readonly #model: DeepseekV3;
  readonly #tokenizer: Tokenizer | null;
  readonly #options: EngineOptions;
  readonly #cache: LatentCache;
  readonly #schedule: Schedule;
  readonly #grammars: Grammars;
  readonly #drafter: Drafter | null;
  readonly #depth: DraftDepth;
  readonly #usableIds: number;
  readonly #holes: readonly number[];
  readonly #jobs = new Map<number, Job>();
  readonly #expertLoad: Float64Array[];
  readonly #moeIndex: ReadonlyMap<number, number>;
  #damage: string | null = null;
  #nextId = 0;
  #decodedAt = 0;
  /** Of late, a running mean. */
  #decodeMs = 0;
  /** Between the step before and this one, if both decode: what tells events and lets messages in. */
  #betweenMs = 0;
  #wasDecoding = false;
  #pausedAt = 0;
  #draftMs = 0;
  readonly #counts = { promptTokens: 0, completionTokens: 0, steps: 0 };
  readonly #speculation = { drafts: 0, draftTokens: 0, acceptedTokens: [] as number[] };
  readonly #finished: Record<FinishReason, number> = { stop: 0, length: 0, abort: 0, error: 0 };

  /** @throws RangeError for a model without latent cache, options out of range */
  constructor(model: DeepseekV3, tokenizer: Tokenizer | null, options: EngineOptions) {
    const { config } = model;
    const pages = pagesFor(options.cacheTokens);
    if (!(pages >= 1)) throw new RangeError(`cacheTokens must be at least ${pageSize}, got ${options.cacheTokens}`);
    this.#model = model;
    this.#tokenizer = tokenizer;
    this.#options = options;
    this.maxPositions = Math.min(config.maxPositionEmbeddings, pages * pageSize);
    const isDrafting = options.speculation > 0 && model.mtp.length > 0;
    this.#cache = new LatentCache(model, pages, options.cacheDtype, isDrafting);
    this.#schedule = new Schedule(pages, options.maxBatch, (to, from) => this.#cache.copyPage(to, from));
    this.#usableIds = Math.min(tokenizer?.vocabSize ?? config.vocabSize, config.vocabSize);
    this.#holes = holesOf(tokenizer, this.#usableIds);
    this.#grammars = new Grammars(tokenizer);
    this.#drafter = isDrafting ? new Drafter(model, this.#cache, this.#usableIds) : null;
    this.#depth = new DraftDepth(isDrafting ? options.speculation : 0, options.isDepthFixed);
    const moe = model.moeLayers.filter(({ layer }) => layer < config.numHiddenLayers);
    this.#moeIndex = new Map(moe.map(({ layer }, i) => [layer, i]));
    this.#expertLoad = moe.map(() => new Float64Array(config.nRoutedExperts));
    // Made once: a pass may hold them while another one runs.
    model.tables(this.maxPositions);
  }

  get isIdle(): boolean {
    return this.#jobs.size === 0;
  }

  /** Why nothing more comes of this engine: what is gone of the weights. Null while all is well. */
  get damage(): string | null {
    return this.#damage;
  }

  /**
   * Queues a request.
   * @param emit gets its events, from within `step`
   * @returns its number, for `abort`
   * @throws RangeError naming the value that is out of range; Error once the weights are damaged
   */
  add(request: GenerationRequest, emit: (event: GenerationEvent) => void): number {
    if (this.#damage !== null) throw new Error(this.#damage);
    const { config } = this.#model;
    const checked = checkRequest(request, {
      config,
      hasTokenizer: this.#tokenizer !== null,
      maxPositions: this.maxPositions,
    });
    const eos = this.#tokenizer?.eosTokenId ?? (this.#tokenizer ? null : config.eosTokenId);
    const id = this.#nextId++;
    const job = new Job(
      id,
      {
        request: checked,
        tokenizer: this.#tokenizer,
        constraint: checked.grammar ? this.#grammars.constraint(checked.grammar) : null,
        usableIds: this.#usableIds,
        holes: this.#holes,
        stopIds: new Set([...checked.stopIds, ...(checked.ignoreEos || eos === null ? [] : [eos])]),
      },
      (event) => {
        if (event.type === "finish") this.#finished[event.reason]++;
        emit(event);
      },
    );
    this.#jobs.set(id, job);
    this.#schedule.enqueue(new PromptWork(job, null));
    return id;
  }

  /** Ends a request: its choices finish with reason "abort" at once, and its pages are free after the work in hand. */
  abort(id: number): void {
    const job = this.#jobs.get(id);
    if (job) this.#end(job, "abort", null);
  }

  /** Does the next piece of work; false if there is none left. */
  async step(): Promise<boolean> {
    const { reading, running } = this.#schedule;
    this.#sweep();
    this.#schedule.admit();
    const isDecoding = reading.length === 0 && running.size > 0;
    this.#betweenMs = isDecoding && this.#wasDecoding ? performance.now() - this.#decodedAt : 0;
    this.#wasDecoding = isDecoding;
    if (reading.length > 0) await this.#guarded(() => this.#read());
    else if (isDecoding) await this.#guarded(() => this.#decode());
    this.#sweep();
    return !this.isIdle;
  }

  stats(): EngineStats {
    const { pool, counts, numRunning, numWaiting } = this.#schedule;
    const { total, used, cached } = pool;
    return {
      running: numRunning,
      waiting: numWaiting,
      pages: { total, used, cached, tokensPerPage: pageSize },
      ...this.#counts,
      ...counts,
      speculation: { ...this.#speculation, acceptedTokens: [...this.#speculation.acceptedTokens] },
      finished: { ...this.#finished },
      expertLoad: this.#expertLoad.map((load) => [...load]),
      residentBytes: process.memoryUsage.rss(),
    };
  }

  [Symbol.dispose](): void {
    for (const job of this.#jobs.values()) this.#end(job, "abort", null);
    this.#cache[Symbol.dispose]();
  }

  #end(job: Job, reason: "abort" | "error", error: string | null): void {
    job.isAborted = true;
    for (const choice of job.choices) {
      if (!choice.isFinished) job.emit(choice.finish(reason, null, undefined, error));
    }
  }

  #sweep(): void {
    this.#schedule.sweepChoices();
    this.#schedule.sweepPrompts();
    for (const [id, job] of this.#jobs) if (job.isFinished) this.#jobs.delete(id);
  }

  /** A failure ends what was being worked on, not the engine. */
  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof NobodyWaits) return;
      const { reading, running } = this.#schedule;
      if (this.#damage !== null) for (const job of this.#jobs.values()) this.#end(job, "error", this.#damage);
      for (const job of [...reading.map(({ job }) => job), ...running.values()]) {
        this.#end(job, "error", messageOf(error));
      }
    }
  }

  /** Weights that are gone read as zeros: nothing may follow from them. @throws Error naming the file */
  #checkWeights(): void {
    this.#damage ??= this.#options.damage?.() ?? null;
    if (this.#damage !== null) throw new Error(this.#damage);
  }

  // ---- Prompts -------------------------------------------------------------------------------------------------------------

  /**
   * The budget of a pass in fair shares: what short prompts leave, long ones get, in whole pages unless a prompt ends. Who came first is in
   * every pass, however many short ones come later.
   */
  #share(): { readonly work: PromptWork; readonly count: number }[] {
    let room = this.#options.passTokens ?? usualPassTokens;
    const [eldest] = this.#schedule.reading;
    const works = [...this.#schedule.reading].sort((a, b) => a.left - b.left);
    let kept = pageSize;
    const shares: { work: PromptWork; count: number }[] = [];
    for (const [i, work] of works.entries()) {
      const fair = Math.max(1, Math.floor(room / (works.length - i) / pageSize)) * pageSize;
      const count = Math.min(work.left, fair);
      if (work === eldest) kept = 0;
      else if (count > room - kept) continue;
      shares.push({ work, count });
      room -= count;
    }
    return shares;
  }

  async #read(): Promise<void> {
    const shares = this.#share();
    const runs = shares.map(
      ({ work: { job, done, pages }, count }): PromptRun => ({
        ids: job.request.prompt.subarray(done, done + count),
        start: done,
        count,
        pages,
      }),
    );
    const experts = new ExpertWatch(shares.some(({ work }) => work.job.request.trace));
    const pause = async (): Promise<void> => {
      await this.#options.breathe();
      if (shares.every(({ work }) => work.job.isAborted)) throw new NobodyWaits();
      await this.#decodeBetween();
    };
    const ends = runningSums(runs.map(({ count }) => count));
    const needsAll = this.#drafter !== null || shares.some(({ work: { job } }) => job.request.trace);
    // Nothing follows from the rows of a run before its first wanted one.
    const firsts = shares.map(({ work, count }) => (needsAll ? 0 : firstWantedRow(work, count)));
    const wanted = runs.flatMap(({ count }, i) => rowsOf((ends[i] ?? 0) - count, firsts[i] ?? 0, count));
    using pass = await prefillRuns(this.#model, this.#cache, runs, {
      onDispatched: (layer, dispatched) => this.#watch(layer, dispatched, experts),
      pause,
      wanted: needsAll ? null : wanted.length > 0 ? wanted : [0],
    });
    this.#counts.steps++;
    const { tape, hidden } = pass;
    let row = 0;
    const ended: { readonly work: PromptWork; readonly row: number }[] = [];
    for (const [i, { work, count }] of shares.entries()) {
      const first = firsts[i] ?? 0;
      const kept = count - first;
      const { job } = work;
      if (job.promptLogprobs && !work.resumed && kept > 0) {
        // With the rows of a pass that keeps all come some that were not asked for.
        const skipped = Math.min(kept, Math.max(0, job.firstWanted - work.done - first));
        const part = { start: work.done + first + skipped, count: kept - skipped };
        if (part.count > 0) {
          const normed = hidden.normed.rowsFrom(row + skipped, part.count);
          readPromptLogprobs(this.#model, tape, normed, part, job, this.#usableIds);
        }
      }
      work.done += count;
      this.#counts.promptTokens += count;
      row += kept;
      if (work.left === 0) ended.push({ work, row: row - 1 });
    }
    if (this.#drafter) {
      const prompts = runs.flatMap((run, i) => {
        const prompt = shares[i]?.work.job.request.prompt ?? run.ids;
        const count = Math.min(run.count, prompt.length - 1 - run.start);
        const ids = prompt.subarray(run.start + 1, run.start + 1 + count);
        return count > 0 ? [{ ...run, ids, count, row: (ends[i] ?? 0) - run.count }] : [];
      });
      await this.#drafter.readPrompts(tape, this.#drafter.stateOf(hidden), prompts, pause);
    }
    for (const { work } of shares) this.#schedule.publish(work);
    await this.#begin(tape, hidden, ended, experts);
  }

  /** The choices of prompts that are read, and their first tokens. @param ended each with its last row */
  async #begin(
    tape: Tape,
    hidden: { readonly raw: Tensor; readonly normed: Tensor },
    ended: readonly { readonly work: PromptWork; readonly row: number }[],
    experts: ExpertWatch,
  ): Promise<void> {
    const begun: Confirmed[] = [];
    this.#checkWeights();
    for (const { work, row } of ended) {
      const { job } = work;
      const { prompt, maxTokens } = job.request;
      if (job.isAborted) continue;
      this.#schedule.fork(work);
      if (work.resumed) continue;
      job.emit({
        type: "prompt",
        text: "",
        promptTokens: prompt.length,
        cachedTokens: work.cached,
        queuedMs: work.admittedAt - job.createdAt,
        promptMs: performance.now() - work.admittedAt,
        logprobs: job.promptLogprobs,
      });
      if (maxTokens === 0) {
        for (const choice of job.choices) job.emit(choice.finish("length", null));
        continue;
      }
      const logits = this.#model.logits(tape, hidden.normed.rowsFrom(row, 1), "decode");
      for (const choice of job.choices) {
        if (choice.isFinished) continue;
        const [known = null] = this.#drawn(tape, logits, [choice.wish(0)]);
        this.#checkWeights();
        const values = known ? logits.floats() : logits.floats().slice();
        this.#write(choice, job, values, known, null, job.request.trace ? experts.of(row) : null);
        if (!choice.isFinished) begun.push({ choice, row, count: 1, position: prompt.length - 1 });
      }
    }
    await this.#draft(tape, hidden, begun);
  }

  // ---- Tokens --------------------------------------------------------------------------------------------------------------

  /** A step of the running choices while prompts are read, if they have waited long enough. */
  async #decodeBetween(): Promise<void> {
    const now = performance.now();
    const piece = now - Math.max(this.#pausedAt, this.#decodedAt);
    this.#pausedAt = now;
    // The next piece is likely to take as long: too early by half of it is as good as too late by half.
    if (now - this.#decodedAt + piece / 2 < promptShare * this.#decodeMs) return;
    this.#schedule.sweepChoices();
    if (this.#schedule.running.size > 0) await this.#decode();
  }

  async #decode(): Promise<void> {
    const begun = performance.now();
    const spans = this.#schedule.spans();
    if (spans.length === 0) return;
    const rows = spans.flatMap(({ choice, count, drafts }): TokenRow[] =>
      Array.from({ length: count + drafts.length }, (_, i) => ({
        id: i < count ? choice.tokenAt(choice.cached + i) : (drafts[i - count] ?? 0),
        position: choice.cached + i,
        pages: choice.pages,
      })),
    );
    const experts = new ExpertWatch(spans.some(({ job }) => job.request.trace));
    using pass = await decodeRows(this.#model, this.#cache, rows, {
      onDispatched: (layer, dispatched) => this.#watch(layer, dispatched, experts),
    });
    this.#counts.steps++;
    const { tape, hidden } = pass;
    const written = this.#settle(tape, hidden.normed, spans, experts);
    if (spans.every(({ count }) => count === 1)) {
      const most = Math.max(...spans.map(({ drafts }) => drafts.length));
      // Drafts belong to the step that they are for.
      const ms = performance.now() - begun + this.#draftMs + this.#betweenMs;
      this.#depth.observe(spans.length, most, written.tokens, ms / 1000);
    }
    await this.#draft(tape, hidden, written.confirmed);
    this.#decodedAt = performance.now();
    this.#decodeMs += (this.#decodedAt - begun - this.#decodeMs) / (this.#decodeMs === 0 ? 1 : 4);
  }

  /** The tokens that follow from a pass, choice by choice, and how far the cache holds. */
  #settle(
    tape: Tape,
    normed: Tensor,
    spans: readonly Span[],
    experts: ExpertWatch,
  ): { readonly confirmed: Confirmed[]; readonly tokens: number } {
    const confirmed: Confirmed[] = [];
    const wanted: number[] = [];
    let row = 0;
    for (const { count, drafts, isAtEnd } of spans) {
      if (isAtEnd) for (let i = count - 1; i < count + drafts.length; i++) wanted.push(row + i);
      row += count + drafts.length;
    }
    const rows = wanted.length === normed.rows ? normed : gatherRows(tape, normed, wanted);
    const logits = wanted.length === 0 ? null : this.#model.logits(tape, rows, "decode");
    const values = logits?.floats() ?? new Float32Array();
    const wishes = spans.flatMap(({ choice, drafts, isAtEnd }) =>
      isAtEnd ? Array.from({ length: 1 + drafts.length }, (_, i) => choice.wish(i)) : [],
    );
    const known = logits ? this.#drawn(tape, logits, wishes) : [];
    this.#checkWeights();
    const width = logits?.columns ?? 0;
    let tokens = 0;
    let next = 0;
    row = 0;
    for (const { choice, job, count, drafts, isAtEnd } of spans) {
      const position = choice.cached;
      let held = count;
      for (let i = 0; isAtEnd && i <= drafts.length && !choice.isFinished; i++) {
        const at = next + i;
        const before = choice.length;
        const draft = drafts[i] ?? null;
        const trace = job.request.trace ? experts.of(row + count - 1 + i) : null;
        this.#write(choice, job, values.subarray(at * width, (at + 1) * width), known[at] ?? null, draft, trace);
        tokens += choice.length - before;
        if (choice.length === before || draft === null || choice.tokenAt(before) !== draft) break;
        held++;
      }
      if (isAtEnd) this.#countDrafts(drafts.length, held - count);
      choice.cached = position + held;
      choice.drafts = [];
      if (!choice.isFinished && isAtEnd) confirmed.push({ choice, row, count: held, position });
      else choice.numUndrafted += held;
      if (isAtEnd) next += 1 + drafts.length;
      row += count + drafts.length;
    }
    return { confirmed, tokens };
  }

  /** Tokens of the rows whose choices leave the drawing to a kernel. */
  #drawn(tape: Tape, logits: Tensor, wishes: readonly (TokenWish | null)[]): (DrawnToken | null)[] {
    const values = logits.floats();
    for (const [row, wish] of wishes.entries()) {
      if (wish) for (const id of this.#holes) values[row * logits.columns + id] = Number.NEGATIVE_INFINITY;
    }
    return drawTokens(tape, logits, wishes, this.#usableIds);
  }

  /** A choice that cannot go on, as one whose grammar grows too large, ends its own request and no other. */
  #write(
    choice: Choice,
    job: Job,
    logits: Float32Array,
    known: DrawnToken | null,
    draft: number | null,
    experts: readonly (readonly number[])[] | null,
  ): void {
    const before = choice.ids.length;
    try {
      for (const event of choice.next(logits, known, (id) => id === draft, experts)) job.emit(event);
    } catch (error) {
      this.#end(job, "error", messageOf(error));
    }
    this.#counts.completionTokens += choice.ids.length - before;
  }

  #countDrafts(drafted: number, accepted: number): void {
    if (drafted === 0) return;
    this.#speculation.drafts++;
    this.#speculation.draftTokens += drafted;
    const { acceptedTokens } = this.#speculation;
    for (let i = 0; i < accepted; i++) acceptedTokens[i] = (acceptedTokens[i] ?? 0) + 1;
  }

  /** Drafts for the next step, as many as pay. */
  async #draft(
    tape: Tape,
    hidden: { readonly raw: Tensor; readonly normed: Tensor },
    confirmed: readonly Confirmed[],
  ): Promise<void> {
    const drafter = this.#drafter;
    if (!drafter) return;
    const begun = performance.now();
    const { running } = this.#schedule;
    const depth = this.#depth.choose(running.size);
    const drafting = confirmed.filter(({ choice, count }) => {
      const job = running.get(choice);
      if (!job?.request.speculate || choice.isFinished) return false;
      // What the module has not read makes its drafts worse; a few positions do no harm.
      if (depth === 0 || choice.numUndrafted > 8 + choice.ids.length / 16) {
        choice.numUndrafted += count;
        return false;
      }
      const end = choice.length + depth;
      return end <= this.maxPositions && this.#schedule.reserve(choice, end);
    });
    await drafter.draft(tape, drafter.stateOf(hidden), drafting, depth);
    this.#draftMs = performance.now() - begun;
  }

  // ---- What is watched -----------------------------------------------------------------------------------------------------

  #watch(layer: number, { routing }: Dispatched, experts: ExpertWatch): void {
    const load = this.#expertLoad[this.#moeIndex.get(layer) ?? -1];
    if (!load) return;
    const chosen = routing.experts.ints();
    for (const expert of chosen) load[expert] = (load[expert] ?? 0) + 1;
    experts.see(chosen, routing.experts.columns);
  }
}

/** Ids below `usable` that have no token. */
function holesOf(tokenizer: Tokenizer | null, usable: number): number[] {
  if (!tokenizer) return [];
  return Array.from({ length: usable }, (_, id) => id).filter((id) => !tokenizer.hasToken(id));
}

/** Row of a run of `count` positions from which on the final states are wanted; `count`: of none. */
function firstWantedRow({ job, resumed, done, left }: PromptWork, count: number): number {
  if (job.promptLogprobs && !resumed) return Math.min(count, Math.max(0, job.firstWanted - done));
  return left === count ? count - 1 : count;
}

/** Rows [first, count) of a run that begins at `begin`. */
function rowsOf(begin: number, first: number, count: number): number[] {
  return Array.from({ length: count - first }, (_, i) => begin + first + i);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Every request of a pass was given up. */
class NobodyWaits extends Error {}

/** Experts of each row, layer by layer, if anyone wants to know. */
class ExpertWatch {
  readonly #layers: { readonly experts: Int32Array; readonly width: number }[] = [];
  readonly #isWanted: boolean;

  constructor(isWanted: boolean) {
    this.#isWanted = isWanted;
  }

  see(experts: Int32Array, width: number): void {
    if (this.#isWanted) this.#layers.push({ experts: experts.slice(), width });
  }

  of(row: number): number[][] {
    return this.#layers.map(({ experts, width }) => [...experts.subarray(row * width, (row + 1) * width)]);
  }
}
