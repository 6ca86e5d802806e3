/**
 * Tokens and settings of the 50-step training runs that trajectory.slow.test.ts compares with PyTorch and trajectory.mjs writes for it: one
 * definition, so that both see the same bytes. The tokens are phrases of a fixed book, drawn by rank with weights 1 / rank (Zipf), so a
 * model has both frequencies and successions to learn in a few steps.
 */

/** What decides the run; stored with PyTorch's losses. Peak of a schedule with 10 warm-up steps, then a cosine to a tenth. */
export const run = {
  preset: "small",
  seed: 1,
  steps: 50,
  batch: 4,
  length: 128,
  phrases: 64,
  phraseLength: 8,
  tokenSeed: 7,
  peakLearningRate: 1e-3,
  warmupSteps: 10,
};

export const optimizer = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, maxGradNorm: 1 };

/** One learning rate per step. */
export function learningRates(): number[] {
  const { steps, warmupSteps, peakLearningRate: peak } = run;
  return Array.from({ length: steps }, (_, step) => {
    if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
    const progress = (step - warmupSteps) / (steps - warmupSteps);
    return peak * (0.1 + 0.45 * (1 + Math.cos(Math.PI * progress)));
  });
}

/** [steps, batch, length + 1] token ids. @param vocabulary ids are below it */
export function trajectoryTokens(vocabulary: number): Int32Array {
  const { steps, batch, length, phrases, phraseLength } = run;
  const next = generator(run.tokenSeed);
  const book = Array.from({ length: phrases }, () =>
    Array.from({ length: phraseLength }, () => Math.floor(next() ** 3 * vocabulary)),
  );
  const weights = book.map((_, rank) => 1 / (rank + 1));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const drawPhrase = (): readonly number[] => {
    let left = next() * total;
    const rank = weights.findIndex((weight) => {
      left -= weight;
      return left < 0;
    });
    return book[rank < 0 ? phrases - 1 : rank] ?? [];
  };
  const tokens: number[] = [];
  for (let row = 0; row < steps * batch; row++) {
    const line: number[] = [];
    while (line.length <= length) line.push(...drawPhrase());
    tokens.push(...line.slice(0, length + 1));
  }
  return Int32Array.from(tokens);
}

/** Values in [0, 1) of the linear congruential generator of Numerical Recipes. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** What both programs train with, for torch_loss.py. */
export function torchSettings(): object {
  const { steps, batch, length } = run;
  return { steps, batch, length, learningRates: learningRates(), ...optimizer };
}
