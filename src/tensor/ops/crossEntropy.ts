/**
 * Output head and cross-entropy together, in chunks of rows: the [rows, vocab] logits never exist as a whole. The gradient is made in the
 * forward, chunk by chunk, because its factor is known then (loss weight over the global token count); only dx [rows, dim] is kept.
 */
import { native } from "../native.js";
import type { Parameter } from "../parameter.js";
import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import { gradientThroughMatrix, productWithMatrix } from "./products.js";
import { shown } from "./sizes.js";

export interface CrossEntropyResult {
  /** [rows] float32: negative log-probability of the target; 0 where the target is -1 */
  readonly losses: Tensor;
  /** [rows] int32: 1 where the target is the arg max */
  readonly correct: Tensor;
  /** [rows] float32, -sum p log p in nats, 0 where the target is -1; null if it was not asked for */
  readonly entropies: Tensor | null;
}

/** What a cross-entropy of post-training has beside that of pre-training. */
export interface CrossEntropyOptions {
  /** [rows] float32: further factor of each row's gradient, of any sign; default 1 each */
  readonly rowScales?: Tensor | null;
  /** Logits are divided by it; default 1. */
  readonly temperature?: number;
  /** Default false. */
  readonly entropies?: boolean;
}

/** Rows a chunk: 4 MiB of float32 logits or so, so that a chunk stays in the cache between its three products. */
function chunkRows(vocab: number): number {
  return Math.max(64, Math.min(2048, Math.floor(2 ** 20 / vocab / 64) * 64));
}

/**
 * @param x [rows, dim], normed
 * @param head [vocab, dim]
 * @param targets [rows] int32, -1 = no loss
 * @param gradScale d total / d loss of one row: loss weight / global token count
 * @throws RangeError for sizes that differ, or a temperature that is not positive
 */
export function linearCrossEntropy(
  tape: Tape,
  x: Tensor,
  head: Parameter,
  targets: Tensor,
  gradScale: number,
  options: CrossEntropyOptions = {},
): CrossEntropyResult {
  const [vocab = 0, dim = 0] = head.shape;
  const { rows } = x;
  if (head.shape.length !== 2 || x.columns !== dim || targets.size !== rows || targets.dtype !== "int32") {
    throw new RangeError(
      `linearCrossEntropy: x ${shown(x)}, targets ${shown(targets)}, ${head.name} ${shown(head)}: ` +
        `expected [${rows}, ${dim}], [${rows}] int32 and [vocab, dim]`,
    );
  }
  const { rowScales = null, temperature = 1 } = options;
  if (rowScales && (rowScales.size !== rows || rowScales.dtype !== "float32")) {
    throw new RangeError(`linearCrossEntropy: row scales ${shown(rowScales)}, expected [${rows}] float32`);
  }
  if (!(temperature > 0)) throw new RangeError(`linearCrossEntropy: temperature must be positive, got ${temperature}`);
  const losses = tape.empty([rows], "float32");
  const entropies = options.entropies ? tape.empty([rows], "float32") : null;
  const correct = tape.empty([rows], "int32");
  const { hasGrad } = tape;
  const dx = hasGrad ? tape.empty(x.shape, x.dtype) : null;
  const step = chunkRows(vocab);
  const logits = tape.empty([Math.min(step, rows), vocab], "float32");
  const narrow = hasGrad && x.dtype !== "float32" ? tape.empty(logits.shape, x.dtype) : null;
  for (let begin = 0; begin < rows; begin += step) {
    const count = Math.min(step, rows - begin);
    const xs = x.view(begin * dim, [count, dim]);
    const logitsOfChunk = logits.view(0, [count, vocab]);
    productWithMatrix(tape, logitsOfChunk, xs, head, "prefill");
    const target = targets.view(begin, [count]);
    native().crossEntropy(
      losses.view(begin, [count]).address,
      correct.view(begin, [count]).address,
      entropies?.view(begin, [count]).address ?? null,
      logits.address,
      target.address,
      rowScales?.view(begin, [count]).address ?? null,
      count,
      vocab,
      dx ? 1 : 0,
      gradScale,
      1 / temperature,
      0,
    );
    if (!dx) continue;
    if (narrow) native().convert(narrow.address, logits.address, count * vocab, narrow.code, 0);
    const d = narrow?.view(0, [count, vocab]) ?? logitsOfChunk;
    gradientThroughMatrix({ tensor: dx.view(begin * dim, [count, dim]), accumulate: 0 }, d, head);
    const dw = head.grad;
    if (dw)
      native().gemm(dw.address, d.address, xs.address, vocab, dim, count, vocab, dim, dim, 1, 0, 1, 0, d.code, x.code);
  }
  // The chunk buffers are needed no longer; the tape would keep them until the backward.
  logits.free();
  narrow?.free();
  tape.record(() => {
    if (dx) tape.contribute(x, dx);
  });
  return { losses, correct, entropies };
}
