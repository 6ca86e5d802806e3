/**
 * Everything that changes during pre-training, driven by tokens consumed: learning rate, batch size, bias update speed, balance factor, MTP
 * weight. training.md D3. Warm-up alone counts steps, as the report does.
 *
 * A curve is a list of pieces, each reaching to a number of tokens; the last one holds for ever.
 */

/** A value until `until` tokens: constant, or from the previous piece's end value to `to` by a line or half a cosine. */
export interface Piece {
  /** Tokens at which the piece ends; Infinity for the last. */
  readonly until: number;
  readonly shape: "constant" | "linear" | "cosine";
  /** Value at the end of the piece (and throughout, if constant). */
  readonly to: number;
  /** Value at its start; by default the end value of the piece before. */
  readonly from?: number;
}

export type Curve = readonly Piece[];

/** @param tokens consumed before the step */
export function valueAt(curve: Curve, tokens: number): number {
  let begin = 0;
  let previous = curve[0]?.to ?? 0;
  for (const piece of curve) {
    if (tokens < piece.until || piece === curve.at(-1)) {
      if (piece.shape === "constant") return piece.to;
      const from = piece.from ?? previous;
      const x = Math.min(1, Math.max(0, (tokens - begin) / (piece.until - begin)));
      if (piece.shape === "linear") return from + (piece.to - from) * x;
      return piece.to + 0.5 * (from - piece.to) * (1 + Math.cos(Math.PI * x));
    }
    begin = piece.until;
    previous = piece.to;
  }
  throw new RangeError("schedule: a curve needs at least one piece");
}

export interface LearningRate {
  /** Steps of linear warm-up from 0: step s (from 1) runs at s / warmupSteps of the curve. */
  readonly warmupSteps: number;
  readonly curve: Curve;
}

/** @param step counted from 1 */
export function learningRateAt(rate: LearningRate, step: number, tokens: number): number {
  return valueAt(rate.curve, tokens) * Math.min(1, rate.warmupSteps > 0 ? step / rate.warmupSteps : 1);
}

/** Batch size in sequences by knots (tokens, sequences), linear between them, rounded to a multiple. */
export interface BatchRamp {
  readonly knots: readonly (readonly [tokens: number, sequences: number])[];
  /** Data-parallel size times micro-batch: what a batch must divide by. */
  readonly multipleOf: number;
}

/** @returns sequences of the step that starts after `tokens` */
export function batchSizeAt(ramp: BatchRamp, tokens: number): number {
  const { knots, multipleOf } = ramp;
  const round = (value: number): number => Math.max(multipleOf, Math.round(value / multipleOf) * multipleOf);
  let [left] = knots;
  if (!left) throw new RangeError("schedule: a batch ramp needs at least one knot");
  for (const right of knots) {
    if (tokens < right[0]) {
      const width = right[0] - left[0];
      const x = width > 0 ? (tokens - left[0]) / width : 1;
      return round(left[1] + (right[1] - left[1]) * Math.max(0, x));
    }
    left = right;
  }
  return round(left[1]);
}

/** The whole plan of a run. */
export interface Schedule {
  readonly learningRate: LearningRate;
  readonly batch: BatchRamp;
  /** gamma: bias update speed */
  readonly gamma: Curve;
  /** alpha: sequence-wise balance loss */
  readonly alpha: Curve;
  /** lambda: weight of the MTP losses */
  readonly lambda: Curve;
}

const constant = (value: number): Curve => [{ until: Number.POSITIVE_INFINITY, shape: "constant", to: value }];

/** The published plan of DeepSeek-V3. The ramp's shape between its two sizes is not published: linear in tokens. */
export const deepseekV3Schedule: Schedule = {
  learningRate: {
    warmupSteps: 2000,
    curve: [
      { until: 10e12, shape: "constant", to: 2.2e-4 },
      { until: 14.3e12, shape: "cosine", to: 2.2e-5 },
      { until: 14.633e12, shape: "constant", to: 2.2e-5 },
      { until: Number.POSITIVE_INFINITY, shape: "constant", to: 7.3e-6 },
    ],
  },
  batch: {
    knots: [
      [0, 3072],
      [469e9, 15360],
    ],
    multipleOf: 1,
  },
  gamma: [
    { until: 14.3e12, shape: "constant", to: 0.001 },
    { until: Number.POSITIVE_INFINITY, shape: "constant", to: 0 },
  ],
  alpha: constant(1e-4),
  lambda: [
    { until: 10e12, shape: "constant", to: 0.3 },
    { until: Number.POSITIVE_INFINITY, shape: "constant", to: 0.1 },
  ],
};

export interface ScheduleOptions {
  readonly totalTokens: number;
  readonly learningRate: number;
  readonly minLearningRate: number;
  readonly warmupSteps: number;
  /** Sequences of the first and of the full batch, and tokens over which it grows. */
  readonly batchSize: number;
  readonly initialBatchSize: number;
  readonly rampTokens: number;
  readonly multipleOf: number;
  /** v3: the published shape scaled to totalTokens; cosine and linear: decay over the whole run; constant. */
  readonly shape: "v3" | "cosine" | "linear" | "constant";
  readonly gamma: number;
  readonly alpha: number;
  readonly lambda: number;
}

/**
 * A plan for a run of any length. `v3` keeps the report's proportions: constant to 10/14.8 of the tokens, half a cosine to 14.3/14.8, then the
 * two tails (a tenth and a thirtieth of the peak); gamma stops at 14.3/14.8, lambda falls to a third at 10/14.8.
 */
export function scaledSchedule(options: ScheduleOptions): Schedule {
  const { totalTokens: total, learningRate: peak, minLearningRate: low } = options;
  const end = Number.POSITIVE_INFINITY;
  const at = (tera: number): number => (total * tera) / 14.8;
  const isV3 = options.shape === "v3";
  const curves: Readonly<Record<ScheduleOptions["shape"], Curve>> = {
    v3: [
      { until: at(10), shape: "constant", to: peak },
      { until: at(14.3), shape: "cosine", to: low },
      { until: at(14.633), shape: "constant", to: low },
      { until: end, shape: "constant", to: (low * 7.3) / 22 },
    ],
    cosine: [
      { until: total, shape: "cosine", from: peak, to: low },
      { until: end, shape: "constant", to: low },
    ],
    linear: [
      { until: total, shape: "linear", from: peak, to: low },
      { until: end, shape: "constant", to: low },
    ],
    constant: constant(peak),
  };
  return {
    learningRate: { warmupSteps: options.warmupSteps, curve: curves[options.shape] },
    batch: {
      knots:
        options.rampTokens > 0
          ? [
              [0, options.initialBatchSize],
              [options.rampTokens, options.batchSize],
            ]
          : [[0, options.batchSize]],
      multipleOf: options.multipleOf,
    },
    gamma: isV3
      ? [
          { until: at(14.3), shape: "constant", to: options.gamma },
          { until: end, shape: "constant", to: 0 },
        ]
      : constant(options.gamma),
    alpha: constant(options.alpha),
    lambda: isV3
      ? [
          { until: at(10), shape: "constant", to: options.lambda },
          { until: end, shape: "constant", to: options.lambda / 3 },
        ]
      : constant(options.lambda),
  };
}
