/** The SwiGLU feed-forward part: dense layers and shared experts. model.md A5. */
import { fp8Of } from "../tensor/ops/fp8Linear.js";
import { linear } from "../tensor/ops/linear.js";
import type { RowKind } from "../tensor/ops/products.js";
import { swiglu, swigluFp8 } from "../tensor/ops/swiglu.js";
import type { Parameter } from "../tensor/parameter.js";
import type { Tape } from "../tensor/tape.js";
import { sizeOf, type Tensor } from "../tensor/tensor.js";
import { inPieces, type Pause } from "./pieces.js";
import type { Weights } from "./weights.js";

export class SwigluMlp {
  /** [2 * width, hiddenSize]: the rows of gate_proj, then those of up_proj */
  readonly gateUpProj: Parameter;
  readonly downProj: Parameter;

  /** Several shared experts are one part of their summed width, as the checkpoint stores them. */
  constructor(weights: Weights, prefix: string, hiddenSize: number, width: number) {
    this.gateUpProj = weights.matrix(`${prefix}.gate_up_proj.weight`, 2 * width, hiddenSize);
    this.downProj = weights.matrix(`${prefix}.down_proj.weight`, hiddenSize, width);
  }

  /** Matrices in the order in which decoding reads them. */
  get readOrder(): readonly Parameter[] {
    return [this.gateUpProj, this.downProj];
  }

  /** @param x [T, hiddenSize] @returns [T, hiddenSize], new */
  forward(tape: Tape, x: Tensor, kind: RowKind): Tensor {
    const gateUp = linear(tape, x, this.gateUpProj, kind);
    const hidden = fp8Of(this.downProj, kind) ? swigluFp8(tape, gateUp) : swiglu(tape, gateUp);
    const y = linear(tape, hidden.y, this.downProj, kind);
    tape.dropUntilBackward([hidden.y], hidden.recompute);
    return y;
  }

  /** The same of a prompt, without gradients. */
  forwardInPieces(tape: Tape, x: Tensor, pause: Pause): Promise<Tensor> {
    const operations = 2 * (sizeOf(this.gateUpProj.shape) + sizeOf(this.downProj.shape));
    return inPieces(tape, x, operations, pause, (rows) => this.forward(tape, rows, "prefill"));
  }
}
