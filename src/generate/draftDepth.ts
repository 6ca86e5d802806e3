/**
 * How far to draft, measured: the depth whose steps wrote most tokens a second lately. Trials are paid for: what one loses against the best
 * depth is taken from a credit that grows with the time spent at the best one, so that all trials together cost about a hundredth; a trial
 * that wins pays for more.
 */

/** Steps of a depth before it can be the best one. */
const trials = 4;
/** Weights of a step in the running means, at the least: what holds scatters more than what it takes. */
const tokenMemory = 1 / 32;
const timeMemory = 1 / 16;
/** Drafts must be so many times as fast as none to be chosen: less is within what measuring is off by. */
const margin = 1.03;
/** Of the time that the best depth takes so much may be lost to trials of others; in advance, and saved up at most, in steps without drafts. */
const trialShare = 0.01;
const advance = 1;
const mostSaved = 2;
/** Steps until a depth below the best is looked at again, for as many steps as a trial has. */
const retry = 96;
/** A step that takes more times the usual was held up by something else. */
const mostTimes = 2;

/** Means of late. */
interface Arm {
  tokens: number;
  seconds: number;
  steps: number;
  lastTried: number;
}

/** What is known of steps of about as many choices. */
interface Arms {
  /** By depth. */
  readonly arms: readonly Arm[];
  /** What trials may still lose, in steps without drafts. */
  credit: number;
}

/** Chooses the depth of drafts by what each brought. */
export class DraftDepth {
  readonly #most: number;
  readonly #isFixed: boolean;
  /** By the number of choices in a step, in powers of two. */
  readonly #known = new Map<number, Arms>();
  #step = 0;

  /** @param isFixed always draft `most` */
  constructor(most: number, isFixed = false) {
    this.#most = most;
    this.#isFixed = isFixed;
  }

  /** For a step of so many choices. */
  choose(choices: number): number {
    if (this.#isFixed || this.#most === 0) return this.#most;
    const { arms, credit } = this.#of(choices);
    const best = bestOf(arms);
    const [plain, winner, deeper, shallower] = [arms[0], arms[best], arms[best + 1], arms[best - 1]];
    if (!plain || !winner || winner.steps === 0) return 0;
    // What is dear is tried on a full credit, so that it is not left out for good.
    const trial = (depth: number, arm: Arm): number =>
      Math.min(lossOf(arm, winner), mostSaved * plain.seconds) <= credit * plain.seconds ? depth : best;
    if (shallower) {
      const since = this.#step - shallower.lastTried;
      const isDue = since > retry && (!deeper || shallower.lastTried <= deeper.lastTried);
      if (isDue || (since === 0 && shallower.steps % trials !== 0)) return trial(best - 1, shallower);
    }
    // A depth that is new takes turns with the best, which may be as new; depths beyond it wait until it is the best.
    if (deeper && (winner.steps >= trials || winner.steps > deeper.steps)) return trial(best + 1, deeper);
    return best;
  }

  /** @param tokens written by a step of that depth, in all choices */
  observe(choices: number, depth: number, tokens: number, seconds: number): void {
    if (this.#isFixed || this.#most === 0 || seconds <= 0) return;
    const known = this.#of(choices);
    const { arms } = known;
    const [plain, arm, best] = [arms[0], arms[depth], bestOf(arms)];
    const winner = arms[best];
    if (!plain || !arm || !winner) return;
    const usual = arm.steps > 0 ? arm.seconds : mostTimes * winner.seconds;
    const taken = usual > 0 ? Math.min(seconds, mostTimes * usual) : seconds;
    if (plain.steps > 0) {
      const lost = depth === best ? -trialShare * taken : taken - tokens / rateOf(winner);
      known.credit = Math.min(mostSaved, known.credit - lost / plain.seconds);
    }
    arm.lastTried = ++this.#step;
    arm.steps++;
    // First steps run in cold caches and code that is still being compiled: the fastest of them tells.
    if (arm.steps <= trials) arm.seconds = arm.steps === 1 ? taken : Math.min(arm.seconds, taken);
    else arm.seconds += timeMemory * (taken - arm.seconds);
    arm.tokens += Math.max(tokenMemory, 1 / arm.steps) * (tokens - arm.tokens);
  }

  #of(choices: number): Arms {
    const key = 31 - Math.clz32(Math.max(1, choices));
    const known = this.#known.get(key);
    if (known) return known;
    const arms = Array.from({ length: this.#most + 1 }, () => ({ tokens: 0, seconds: 0, steps: 0, lastTried: 0 }));
    const fresh = { arms, credit: advance };
    this.#known.set(key, fresh);
    return fresh;
  }
}

/** Tokens a second: the ratio of the means, as a text meets it. */
function rateOf({ tokens, seconds }: Arm): number {
  return seconds === 0 ? 0 : tokens / seconds;
}

/** The depth that writes most tokens a second, of those tried often enough; 0 until there is another. */
function bestOf(arms: readonly Arm[]): number {
  let best = 0;
  let bestRate = 0;
  for (const [depth, arm] of arms.entries()) {
    const rate = rateOf(arm);
    if ((depth > 0 && arm.steps < trials) || rate <= bestRate) continue;
    best = depth;
    bestRate = depth === 0 ? margin * rate : rate;
  }
  return best;
}

/** Seconds that a step of an arm is expected to lose against the best one; of an arm that is new, half a step. */
function lossOf(arm: Arm, winner: Arm): number {
  return arm.steps === 0 ? winner.seconds / 2 : arm.seconds - arm.tokens / rateOf(winner);
}
