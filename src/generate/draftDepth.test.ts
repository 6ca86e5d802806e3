import { expect, test } from "vitest";
import { DraftDepth } from "./draftDepth.js";
import { Random } from "./sampler.js";

interface World {
  /** Chance that a draft holds, if those before it did. */
  acceptance: number;
  /** Seconds of a step without drafts, and of each draft with its row to verify. */
  readonly seconds: readonly [plain: number, draft: number];
}

interface Played {
  readonly tokens: number;
  readonly seconds: number;
  /** Steps by depth. */
  readonly steps: readonly number[];
}

/** Steps of one choice; times scatter by a tenth, and one step in fifty takes ten times as long. */
function play(depths: DraftDepth, world: World, steps: number, random: Random): Played {
  const counts = [0, 0, 0, 0, 0];
  let [tokens, seconds] = [0, 0];
  for (let i = 0; i < steps; i++) {
    const depth = depths.choose(1);
    counts[depth] = (counts[depth] ?? 0) + 1;
    let written = 1;
    while (written <= depth && random.next() < world.acceptance) written++;
    const usual = (world.seconds[0] + depth * world.seconds[1]) * (0.9 + 0.2 * random.next());
    depths.observe(1, depth, written, random.next() < 0.02 ? 10 * usual : usual);
    tokens += written;
    seconds += usual;
  }
  return { tokens, seconds, steps: counts };
}

const step = 3e-4;

test("texts are written nearly as fast as at the best depth, whichever that is", () => {
  // Tokens of depths 0 to 4 at acceptance 0.8: 1, 1.8, 2.44, 2.952, 3.3616, over steps of 1 + depth x draft.
  for (const [draft, best] of [
    [0.1, 3.3616 / 1.4],
    [0.5, 2.44 / 2],
    [0.9, 1],
  ] as const) {
    for (let seed = 0; seed < 10; seed++) {
      const random = new Random(seed);
      const depths = new DraftDepth(4);
      const world = { acceptance: 0.8, seconds: [step, draft * step] } as const;
      play(depths, world, 1000, random);
      const { tokens, seconds, steps } = play(depths, world, 3000, random);
      // Depths on both sides of the best are within 3 % of it, and the mean of 3000 steps scatters by 1 %.
      expect((tokens / seconds) * step, `${draft} a draft, seed ${seed}: ${steps}`).toBeGreaterThan(0.95 * best);
    }
  }
});

test("drafts that never hold cost a hundredth or two from the first step on", () => {
  for (let seed = 0; seed < 20; seed++) {
    for (const draft of [0.2, 0.5, 1]) {
      const { seconds, tokens, steps } = play(
        new DraftDepth(4),
        { acceptance: 0, seconds: [step, draft * step] },
        2000,
        new Random(seed),
      );
      const plain = tokens * step;
      expect(seconds - plain, `seed ${seed}, ${draft} a draft: ${steps}`).toBeLessThan(0.02 * plain + 3 * step);
      expect((steps[2] ?? 0) + (steps[3] ?? 0) + (steps[4] ?? 0)).toBeLessThan(20);
    }
  }
});

test("when drafts stop holding it goes back to none, and when they hold again it drafts again", () => {
  for (let seed = 0; seed < 10; seed++) {
    const random = new Random(seed);
    const depths = new DraftDepth(4);
    const world: World = { acceptance: 0.9, seconds: [step, 0.3 * step] };
    play(depths, world, 500, random);
    expect(play(depths, world, 200, random).steps[0]).toBeLessThan(20);
    world.acceptance = 0;
    play(depths, world, 400, random);
    expect(play(depths, world, 500, random).steps[0], `seed ${seed}`).toBeGreaterThan(450);
    world.acceptance = 0.9;
    play(depths, world, 2000, random);
    expect(play(depths, world, 200, random).steps[0], `seed ${seed}`).toBeLessThan(20);
  }
});

test("each number of choices has its own depth", () => {
  const depths = new DraftDepth(1);
  for (let i = 0; i < 200; i++) {
    const alone = depths.choose(1);
    depths.observe(1, alone, 1 + alone, step * (1 + 0.3 * alone));
    const many = depths.choose(16);
    depths.observe(16, many, 16 * (1 + many), step * (1 + 3 * many));
  }
  expect([depths.choose(1), depths.choose(16)]).toEqual([1, 0]);
});

test("a fixed depth does not look at what it brings", () => {
  const depths = new DraftDepth(3, true);
  for (let i = 0; i < 100; i++) depths.observe(1, depths.choose(1), 1, 1);
  expect(depths.choose(1)).toBe(3);
});
