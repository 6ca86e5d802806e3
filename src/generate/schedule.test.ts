import { expect, test } from "vitest";
import { checkRequest } from "./checkRequest.js";
import { Job, PromptWork } from "./job.js";
import type { GenerationRequest } from "./request.js";
import { Schedule } from "./schedule.js";

const limits = { config: { vocabSize: 1000 }, hasTokenizer: false, maxPositions: 2048 };

class Bench {
  readonly schedule: Schedule;
  readonly copies: [to: number, from: number][] = [];
  #nextId = 0;

  constructor(pages: number, maxBatch = 8) {
    this.schedule = new Schedule(pages, maxBatch, (to, from) => this.copies.push([to, from]));
  }

  /** Queues a prompt of so many tokens, whose first one tells it from others. */
  add(length: number, first: number, request: Partial<GenerationRequest> = {}): Job {
    const prompt = Int32Array.from({ length }, (_, i) => (i === 0 ? first : i % 1000));
    const settings = { tokenizer: null, constraint: null, usableIds: 1000, holes: [], stopIds: new Set<number>() };
    const checked = checkRequest({ prompt, ...request }, limits);
    const job = new Job(this.#nextId++, { ...settings, request: checked }, () => {});
    this.schedule.enqueue(new PromptWork(job, null));
    return job;
  }

  /** Lets in, and reads all prompts that are let in. */
  read(): void {
    this.schedule.admit();
    for (const work of [...this.schedule.reading]) {
      work.done += work.left;
      this.schedule.publish(work);
      this.schedule.fork(work);
      if (work.resumed) continue;
      for (const choice of work.choices) write(choice, 1);
    }
  }

  get reading(): number[] {
    return this.schedule.reading.map(({ job }) => job.id);
  }

  get running(): number[] {
    return [...this.schedule.running.values()].map(({ id }) => id);
  }
}

const write = (choice: { readonly ids: number[] }, count: number): void => {
  for (let i = 0; i < count; i++) choice.ids.push(5);
};

function finish(job: Job): void {
  for (const choice of job.choices) choice.finish("abort", null);
}

test("who waits is let in by priority, then by age, while there are places", () => {
  const bench = new Bench(20, 3);
  bench.add(10, 1);
  bench.add(10, 2, { priority: 1 });
  bench.add(10, 3, { priority: -1 });
  bench.add(10, 4, { priority: 1 });
  expect(bench.schedule.numWaiting).toBe(4);
  bench.schedule.admit();
  expect(bench.reading).toEqual([1, 3, 0]);
  expect([bench.schedule.numRunning, bench.schedule.numWaiting]).toEqual([3, 1]);
});

test("more choices than places wait for all of them, and then run together though they are too many", () => {
  const bench = new Bench(20, 2);
  const first = bench.add(10, 1);
  bench.add(10, 2, { n: 3 });
  bench.add(10, 3);
  bench.read();
  expect(bench.running).toEqual([0]); // the third one does not go before the second
  finish(first);
  bench.schedule.sweepChoices();
  bench.read();
  expect(bench.running).toEqual([1, 1, 1]);
  expect(bench.schedule.numWaiting).toBe(1);
});

test("a prompt waits until its pages are there, with one for each choice that runs", () => {
  const bench = new Bench(4);
  bench.add(64, 1);
  bench.add(64, 2);
  bench.read();
  expect(bench.schedule.pool.used).toBe(2);
  bench.add(65, 3); // two pages, and two choices run
  bench.schedule.admit();
  expect(bench.reading).toEqual([]);
  expect(bench.schedule.pool.used).toBe(2);
});

test("who waits for a prefix that is being read is passed over, and finds it afterwards", () => {
  const bench = new Bench(20);
  const first = bench.add(200, 1);
  bench.add(140, 1); // begins with the same two pages
  bench.add(140, 1, { salt: "tenant" });
  bench.add(30, 2);
  bench.schedule.admit();
  expect(bench.reading).toEqual([0, 2, 3]);
  expect(bench.schedule.pool.used).toBe(4 + 3 + 1);
  bench.read();
  bench.schedule.admit();
  expect(bench.reading).toEqual([1]);
  const [work] = bench.schedule.reading;
  expect([work?.cached, work?.done, work?.pages.length]).toEqual([128, 128, 3]);
  expect(work?.pages.slice(0, 2)).toEqual(first.choices[0]?.pages.slice(0, 2));
  expect(bench.schedule.counts).toMatchObject({ prefixQueries: 200 + 140 + 140 + 30, prefixHits: 128 });
});

test("who waits for a prefix reads it if the one that read it is ended", () => {
  const bench = new Bench(20);
  const first = bench.add(200, 1);
  bench.add(140, 1);
  bench.schedule.admit();
  expect(bench.reading).toEqual([0]);
  finish(first);
  bench.schedule.sweepPrompts();
  expect(bench.schedule.pool.used).toBe(0);
  bench.schedule.admit();
  expect(bench.reading).toEqual([1]);
});

test("the last token of a prompt is never taken from the cache, nor is anything if its probabilities are asked for", () => {
  const bench = new Bench(20);
  bench.add(128, 1);
  bench.read();
  bench.add(128, 1);
  bench.add(129, 1);
  bench.add(129, 1, { promptLogprobs: 0 });
  bench.schedule.admit();
  expect(bench.schedule.reading.map(({ cached }) => cached)).toEqual([64, 128, 0]);
});

test("choices share whole pages and have the last one for themselves", () => {
  const bench = new Bench(20);
  const job = bench.add(100, 1, { n: 3 });
  bench.read();
  const pages = job.choices.map((choice) => choice.pages);
  expect(new Set(pages.map(([first]) => first)).size).toBe(1);
  expect(new Set(pages.map(([, last]) => last)).size).toBe(3);
  expect(bench.copies).toEqual([1, 2].map((i) => [pages[i]?.[1], pages[0]?.[1]]));
  expect(bench.schedule.pool.used).toBe(4);
  finish(job);
  bench.schedule.sweepChoices();
  expect([bench.schedule.pool.used, bench.schedule.pool.cached]).toEqual([0, 1]);
});

test("a choice that finds no page for its copy waits, and is read again when there is one", () => {
  const bench = new Bench(3);
  const job = bench.add(100, 1, { n: 3 });
  bench.read();
  expect([bench.schedule.running.size, bench.schedule.numWaiting]).toEqual([2, 1]);
  job.choices[0]?.finish("abort", null);
  job.choices[1]?.finish("abort", null);
  bench.schedule.sweepChoices();
  bench.read();
  expect([...bench.schedule.running.keys()]).toEqual([job.choices[2]]);
  finish(job);
  bench.schedule.sweepChoices();
  expect(bench.schedule.pool.used).toBe(0);
});

test("who finds no page takes those of the least entitled, by priority and then by age", () => {
  const bench = new Bench(5);
  const old = bench.add(60, 1);
  const young = bench.add(60, 2);
  const humble = bench.add(60, 3, { priority: -1 });
  bench.read();
  const eager = bench.add(60, 4, { priority: 1 });
  bench.schedule.sweepChoices();
  expect(bench.running).toEqual([0, 1, 2]);
  finish(young);
  bench.schedule.sweepChoices();
  bench.read();
  bench.schedule.pool.take(1); // one is free, and three choices want one each
  expect(bench.running).toEqual([0, 2, 3]);
  for (const { choices } of [old, humble, eager]) write(choices[0] as { ids: number[] }, 10);
  const spans = bench.schedule.spans();
  expect(spans.map(({ job }) => job.id)).toEqual([eager.id, old.id]); // the most entitled first
  expect(spans.map(({ count, isAtEnd }) => [count, isAtEnd])).toEqual([
    [11, true],
    [11, true],
  ]);
  expect(bench.schedule.counts.preemptions).toBe(1);
  expect([humble.choices[0]?.pages, humble.choices[0]?.isFinished]).toEqual([[], false]);
  expect([bench.schedule.numRunning, bench.schedule.numWaiting]).toEqual([2, 1]);
});

test("who lost its pages waits until all that it has written fits again", () => {
  const bench = new Bench(5);
  const job = bench.add(60, 1, { priority: 1 });
  const other = bench.add(60, 2);
  bench.read();
  const [choice] = other.choices;
  if (!choice) throw new Error("no choice");
  write(choice, 150); // four pages
  write(job.choices[0] as { ids: number[] }, 100); // three
  bench.schedule.spans();
  for (const [one] of bench.schedule.running) one.cached = one.length - 1;
  expect(bench.schedule.spans().map(({ job: { id } }) => id)).toEqual([job.id]);
  expect(choice.pages).toEqual([]);
  bench.schedule.admit(); // a page for the prompt would be there, but not three more for what follows it
  expect(bench.reading).toEqual([]);
  finish(job);
  bench.schedule.sweepChoices();
  bench.read();
  expect(choice.pages.length).toBe(4);
  expect(choice.cached).toBe(60);
  expect(bench.schedule.spans()[0]).toMatchObject({ count: 32, isAtEnd: false });
  finish(other);
  bench.schedule.sweepChoices();
  expect(bench.schedule.pool.used).toBe(0);
});

test("drafts take pages that are free, and nobody's", () => {
  const bench = new Bench(2);
  const one = bench.add(60, 1).choices[0];
  const other = bench.add(60, 2).choices[0];
  bench.read();
  if (!one || !other) throw new Error("no choice");
  one.drafts = [1, 2, 3, 4];
  expect(bench.schedule.spans()[0]).toMatchObject({ count: 1, drafts: [] });
  other.finish("abort", null);
  bench.schedule.sweepChoices();
  expect(bench.schedule.spans()[0]).toMatchObject({ count: 1, drafts: [1, 2, 3, 4] });
  expect(one.pages.length).toBe(2);
});
