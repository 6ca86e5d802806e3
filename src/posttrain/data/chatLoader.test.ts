import fc from "fast-check";
import { expect, test } from "vitest";
import { ChatLoader, type ChatLoaderOptions, type ChatStep } from "./chatLoader.js";
import type { SupervisedSequence } from "./sequences.js";

/** Sequences whose first id tells them apart; all but the first token are targets. */
const sequencesOf = (lengths: readonly number[]): SupervisedSequence[] =>
  lengths.map((length, record) => ({
    ids: new Int32Array(length).fill(1000 + record),
    isTarget: new Uint8Array(length).fill(1, 1),
    record,
  }));

const defaults: ChatLoaderOptions = {
  stepSize: { sequences: 2 },
  microBatchTokens: 8,
  packing: "bfd",
  epochs: 1,
  seed: 7,
};

function stepsOf(loader: ChatLoader): ChatStep[] {
  const steps: ChatStep[] = [];
  for (let step = loader.next(); step; step = loader.next()) steps.push(step);
  return steps;
}

/** Records by micro-batch. */
const recordsOf = ({ microBatches }: ChatStep): number[][] =>
  microBatches.map((batch) => batch.map(({ record }) => record));

test("a step that takes everything is packed as the worked example, and counts what the loss is divided by", () => {
  const loader = new ChatLoader(sequencesOf([5, 3, 4, 2, 6, 2]), { ...defaults, stepSize: { sequences: 6 } });
  const step = loader.next();
  const lengths = step?.microBatches.map((batch) => batch.map(({ ids }) => ids.length));
  expect(lengths?.map((row) => row.join()).sort()).toEqual(["4,2", "5,3", "6,2"]);
  expect(step).toMatchObject({ sequences: 6, tokens: 22, targets: 16, epoch: 1 });
  expect(loader.next()).toBeNull();
});

const lengthsCase = fc.array(fc.integer({ min: 2, max: 12 }), { minLength: 1, maxLength: 25 });
const stepSizes: fc.Arbitrary<ChatLoaderOptions["stepSize"]> = fc.oneof(
  fc.integer({ min: 1, max: 9 }).map((sequences) => ({ sequences })),
  fc.integer({ min: 1, max: 60 }).map((tokens) => ({ tokens })),
);
const packings = fc.constantFrom<ChatLoaderOptions["packing"][]>("bfd", "none");

test("every epoch is a permutation of the records, no micro-batch is over its budget, and steps have their size", () => {
  fc.assert(
    fc.property(lengthsCase, stepSizes, packings, fc.nat(), (lengths, stepSize, packing, seed) => {
      const epochs = 3;
      const options = { ...defaults, stepSize, packing, seed, epochs, microBatchTokens: 13 };
      const loader = new ChatLoader(sequencesOf(lengths), options);
      const expected = loader.remainingSteps();
      const steps = stepsOf(loader);
      expect(steps).toHaveLength(expected ?? -1);
      const seen = new Map<number, number>();
      for (const [n, step] of steps.entries()) {
        for (const batch of step.microBatches) {
          expect(batch.reduce((sum, { ids }) => sum + ids.length, 0)).toBeLessThanOrEqual(13);
          if (packing === "none") expect(batch).toHaveLength(1);
          for (const { record } of batch) seen.set(record, (seen.get(record) ?? 0) + 1);
        }
        const taken = step.microBatches.flat();
        expect(taken).toHaveLength(step.sequences);
        expect(taken.reduce((sum, { ids }) => sum + ids.length, 0)).toBe(step.tokens);
        if ("tokens" in stepSize) expect(step.sequences === 1 || step.tokens <= stepSize.tokens).toBe(true);
        else if (n < steps.length - 1) expect(step.sequences).toBe(stepSize.sequences);
        const before = steps[n - 1]?.epoch ?? 0;
        expect(step.epoch - before).toBeCloseTo(step.sequences / lengths.length, 9);
      }
      expect([...seen].sort(([a], [b]) => a - b)).toEqual(lengths.map((_, record) => [record, epochs]));
      expect(steps.at(-1)?.epoch).toBe(epochs);
    }),
  );
});

test("each epoch has an order of its own, and each seed", () => {
  const sorted = Array.from({ length: 20 }, (_, i) => i);
  const orders = (seed: number): number[][] => {
    const options = { ...defaults, stepSize: { sequences: 1 }, epochs: 2, seed };
    const order = stepsOf(new ChatLoader(sequencesOf(sorted.map(() => 3)), options))
      .flatMap(recordsOf)
      .flat();
    return [order.slice(0, 20), order.slice(20)];
  };
  const [first, second] = orders(1);
  for (const order of [first, second]) expect([...(order ?? [])].sort((a, b) => a - b)).toEqual(sorted);
  expect(first).not.toEqual(sorted);
  expect(first).not.toEqual(second);
  expect(orders(1)).toEqual([first, second]);
  expect(orders(2)[0]).not.toEqual(first);
});

test("a loader resumed from any of its states goes on as the uninterrupted one", () => {
  fc.assert(
    fc.property(lengthsCase, stepSizes, fc.nat({ max: 30 }), fc.nat(), (lengths, stepSize, stop, seed) => {
      const options = { ...defaults, stepSize, seed, epochs: 3, microBatchTokens: 13 };
      const whole = new ChatLoader(sequencesOf(lengths), options);
      for (let n = 0; n < stop; n++) whole.next();
      const state = JSON.parse(JSON.stringify(whole.state()));
      const resumed = new ChatLoader(sequencesOf(lengths), options);
      resumed.restore(state);
      const remaining = resumed.remainingSteps();
      const rest = stepsOf(whole);
      expect(stepsOf(resumed)).toEqual(rest);
      expect(remaining).toBe(rest.length);
    }),
    { numRuns: 60 },
  );
});

test("ranks have as many micro-batches each, and together what one process has", () => {
  fc.assert(
    fc.property(lengthsCase, stepSizes, fc.integer({ min: 1, max: 5 }), (lengths, stepSize, world) => {
      const options = { ...defaults, stepSize, microBatchTokens: 13 };
      const alone = stepsOf(new ChatLoader(sequencesOf(lengths), options));
      const ranks = Array.from({ length: world }, (_, rank) =>
        stepsOf(new ChatLoader(sequencesOf(lengths), { ...options, rank, world })),
      );
      alone.forEach((step, n) => {
        const shares = ranks.map((steps) => steps[n]!);
        expect(new Set(shares.map(({ microBatches }) => microBatches.length)).size).toBe(1);
        const joined = shares.flatMap((share) => recordsOf(share)).filter((batch) => batch.length > 0);
        const key = (batch: readonly number[]): string => batch.join();
        expect(joined.map(key).sort()).toEqual(recordsOf(step).map(key).sort());
        for (const share of shares) {
          const { microBatches: _, ...counts } = share;
          expect(step).toMatchObject(counts);
          const filled = recordsOf(share).map((batch) => batch.length > 0);
          expect(filled.lastIndexOf(true)).toBe(filled.filter(Boolean).length - 1); // empty ones only at the end
          expect(filled.filter((isFilled) => !isFilled).length).toBeLessThanOrEqual(1);
        }
      });
    }),
    { numRuns: 60 },
  );
});

test("long sequences are split where that is asked for, and refused otherwise", () => {
  const sequences = sequencesOf([3, 20]);
  expect(() => new ChatLoader(sequences, defaults)).toThrow("packing: sequence 1 has 20 tokens, a micro-batch takes 8");
  const loader = new ChatLoader(sequences, { ...defaults, packing: "bfd_split" });
  expect(loader.sequences.map(({ ids }) => ids.length)).toEqual([3, 8, 8, 4]);
  expect(loader.lostTargets).toBe(2);
  expect(loader.next()?.sequences).toBe(2);
});

test("bad options, data and states are refused", () => {
  const sequences = sequencesOf([3, 4]);
  const make = (options: Partial<ChatLoaderOptions>) => (): ChatLoader =>
    new ChatLoader(sequences, { ...defaults, ...options });
  expect(make({ stepSize: { tokens: 0 } })).toThrow("tokens of a step must be 1 or more, got 0");
  expect(make({ stepSize: { sequences: 1.5 } })).toThrow("sequences of a step must be 1 or more, got 1.5");
  expect(make({ microBatchTokens: 0 })).toThrow("tokens of a micro-batch must be 1 or more, got 0");
  expect(make({ epochs: 0 })).toThrow("epochs must be 1 or more, got 0");
  expect(make({ rank: 2, world: 2 })).toThrow("rank 2 is outside a world of 2");
  expect(() => new ChatLoader([], defaults)).toThrow("no sequences to train on");
  const bare = { ids: Int32Array.of(1, 2), isTarget: new Uint8Array(2), record: 0 };
  expect(() => new ChatLoader([...sequences, bare], defaults)).toThrow("1 of 3 sequences have no target");

  const loader = make({})();
  const state = loader.state();
  expect(() => make({ seed: 8 })().restore(state)).toThrow("chat loader state: seed is 7, expected 8");
  expect(() => loader.restore({ ...state, position: 2 })).toThrow("position is 2, expected 0 to 1");
  expect(() => loader.restore({ ...state, epoch: -1 })).toThrow("epoch is -1, expected a count");
  const other = new ChatLoader(sequencesOf([3, 5]), defaults);
  expect(() => other.restore(state)).toThrow("chat loader state: the hash of the sequences is");
});
