/**
 * Who runs, who waits, and who holds which pages of the cache. Requests are let in by priority and age while there are places and pages; a
 * running choice that finds no page takes those of the least entitled one, whose prompt is then read anew when there is room for all that
 * it had: with less, two that need each other's pages would take them by turns and neither get on.
 */
import type { Choice } from "./choice.js";
import { type Job, PromptWork } from "./job.js";
import { PagePool, pageSize, pagesFor } from "./pages.js";

/** Rows of a choice in a step: tokens that the cache lacks, then drafts. */
export interface Span {
  readonly choice: Choice;
  readonly job: Job;
  readonly count: number;
  readonly drafts: readonly number[];
  /** Whether the rows reach the last token, so that the next one follows. */
  readonly isAtEnd: boolean;
}

/** Tokens of a choice that are replayed in one step. */
const replayRows = 32;

export class Schedule {
  readonly pool: PagePool;
  /** Prompts that are being read. */
  readonly reading: PromptWork[] = [];
  readonly running = new Map<Choice, Job>();
  readonly counts = { prefixQueries: 0, prefixHits: 0, preemptions: 0 };
  readonly #maxBatch: number;
  readonly #copyPage: (to: number, from: number) => void;
  /** By priority, then by age. */
  readonly #waiting: PromptWork[] = [];

  constructor(pages: number, maxBatch: number, copyPage: (to: number, from: number) => void) {
    this.pool = new PagePool(pages);
    this.#maxBatch = maxBatch;
    this.#copyPage = copyPage;
  }

  get numRunning(): number {
    return this.running.size + this.reading.reduce((sum, { choices }) => sum + choices.length, 0);
  }

  get numWaiting(): number {
    return this.#waiting.reduce((sum, { choices }) => sum + choices.length, 0);
  }

  enqueue(work: PromptWork): void {
    const isBefore = (other: PromptWork): boolean => isEntitled(work.job, other.job);
    const at = this.#waiting.findIndex(isBefore);
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, work);
  }

  /** Lets in who has a place and pages, in order; who waits for a prefix that is just being read is passed over. */
  admit(): void {
    const inWork = new Set(this.reading.flatMap(({ job, done }) => job.keys.slice(Math.floor(done / pageSize))));
    let places = this.#maxBatch - this.numRunning;
    for (let i = 0; i < this.#waiting.length; ) {
      const work = this.#waiting[i];
      if (!work) break;
      const isAlone = this.numRunning === 0;
      if (work.choices.length > places && !isAlone) break;
      const found = this.pool.find(work.keys);
      const missing = work.keys[found.length];
      if (missing !== undefined && inWork.has(missing)) {
        this.pool.release(found);
        i++;
        continue;
      }
      const needed = pagesFor(work.positions) - found.length;
      // Each running choice may soon want a page more.
      const hasRoom = isAlone || needed + this.running.size <= this.pool.available;
      const taken = hasRoom ? this.pool.take(needed) : null;
      if (!taken) {
        this.pool.release(found);
        break;
      }
      this.#waiting.splice(i, 1);
      work.pages = [...found, ...taken];
      work.done = found.length * pageSize;
      work.cached = work.done;
      work.admittedAt = performance.now();
      this.counts.prefixQueries += work.job.request.prompt.length;
      this.counts.prefixHits += work.cached;
      for (const key of work.job.keys.slice(found.length)) inWork.add(key);
      places -= work.choices.length;
      this.reading.push(work);
    }
  }

  /** What was read whole can be found by prompts to come. */
  publish({ job, done, pages }: PromptWork): void {
    job.keys.slice(0, Math.floor(done / pageSize)).forEach((key, i) => {
      const page = pages[i];
      if (page !== undefined) this.pool.publish(page, key);
    });
  }

  /** A prompt is read: its choices share the whole pages and get the last one as a copy each. Who finds no page for that waits again. */
  fork(work: PromptWork): void {
    const { job, pages } = work;
    const length = job.numRead;
    this.reading.splice(this.reading.indexOf(work), 1);
    const whole = pages.slice(0, Math.floor(length / pageSize));
    const last = pages[whole.length];
    for (const [i, choice] of work.choices.entries()) {
      const isOwner = i === 0;
      const copy = isOwner || last === undefined ? [] : this.pool.take(1);
      if (!copy) {
        this.enqueue(new PromptWork(job, choice));
        continue;
      }
      if (!isOwner) this.pool.share(whole);
      for (const page of copy) if (last !== undefined) this.#copyPage(page, last);
      choice.pages = isOwner ? [...pages] : [...whole, ...copy];
      choice.cached = length;
      this.running.set(choice, job);
    }
  }

  /** Pages for positions up to `end`. @returns false if there are none to take */
  reserve(choice: Choice, end: number): boolean {
    const missing = pagesFor(end) - choice.pages.length;
    if (missing <= 0) return true;
    const pages = this.pool.take(missing);
    if (!pages) return false;
    choice.pages.push(...pages);
    return true;
  }

  /** Who takes part in a step, with pages for all its rows, the most entitled first; who finds none has lost its own to the others. */
  spans(): Span[] {
    const spans: Span[] = [];
    const entitled = [...this.running].sort(([, a], [, b]) => (a === b ? 0 : isEntitled(a, b) ? -1 : 1));
    for (const [choice, job] of entitled) {
      if (choice.isFinished || !this.running.has(choice)) continue;
      const known = choice.length - choice.cached;
      const count = Math.min(known, replayRows);
      const isAtEnd = count === known;
      const drafts = isAtEnd && this.reserve(choice, choice.length + choice.drafts.length) ? choice.drafts : [];
      while (this.running.has(choice) && !this.reserve(choice, choice.cached + count)) {
        const [least = choice] = [...this.running.keys()].reverse().sort((a, b) => this.#compare(b, a));
        this.#preempt(least);
      }
      spans.push({ choice, job, count, drafts, isAtEnd });
    }
    return spans.filter(({ choice }) => this.running.has(choice));
  }

  /** Gives back what finished choices held. */
  sweepChoices(): void {
    for (const choice of [...this.running.keys()]) {
      if (!choice.isFinished) continue;
      this.running.delete(choice);
      this.#strip(choice);
    }
  }

  /** Gives back what prompts of ended requests held; not while a pass writes to their pages. */
  sweepPrompts(): void {
    for (const list of [this.#waiting, this.reading]) {
      for (let i = list.length - 1; i >= 0; i--) {
        const work = list[i];
        if (!work?.choices.every(({ isFinished }) => isFinished)) continue;
        this.pool.release(work.pages);
        list.splice(i, 1);
      }
    }
  }

  #preempt(choice: Choice): void {
    const job = this.running.get(choice);
    if (!job) throw new Error("internal: a choice that does not run has no pages to lose");
    this.running.delete(choice);
    this.#strip(choice);
    this.counts.preemptions++;
    this.enqueue(new PromptWork(job, choice));
  }

  #strip(choice: Choice): void {
    this.pool.release(choice.pages);
    choice.pages = [];
    choice.drafts = [];
  }

  /** Negative if `a` is the more entitled one; choices of one request by their number. */
  #compare(a: Choice, b: Choice): number {
    const [one, other] = [this.running.get(a), this.running.get(b)];
    if (!one || !other || one === other) return a.index - b.index;
    return isEntitled(one, other) ? -1 : 1;
  }
}

/** By priority, then by age. */
function isEntitled(a: Job, b: Job): boolean {
  return a.request.priority !== b.request.priority ? a.request.priority > b.request.priority : a.id < b.id;
}
