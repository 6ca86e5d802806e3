/**
 * Which linears of the model train in FP8, and how each quantises what it multiplies (report 3.3; training.md C1, C3, C5): every projection of
 * attention, dense layers and experts. Embedding, head, router gate, norms and the attention core stay as they are.
 */
import type { Fp8Recipe } from "../tensor/parameter.js";

export interface Fp8Options {
  /** Output gradients in blocks of 128 x 128 for the input's gradient: the variant that diverged (report B.2). */
  readonly gradientBlocks: boolean;
  /** How the attention's output is kept, which its projection and the attention's backward both read. */
  readonly attentionOutput: "e5m6" | "e4m3";
  /** 14: sums as Hopper's tensor cores make them, slowly. */
  readonly accumulationBits: 0 | 14;
  /** Scales that are powers of two: where the report has them, or everywhere (as V3.1 and later). */
  readonly powerOfTwoScales: "listed" | "all";
  /** Also the MTP projection, which the released files keep in bfloat16. */
  readonly ehProj: boolean;
}

export const defaultFp8: Fp8Options = {
  gradientBlocks: false,
  attentionOutput: "e5m6",
  accumulationBits: 0,
  powerOfTwoScales: "listed",
  ehProj: false,
};

const projection = /\.(self_attn|mlp)\..*_proj(_with_mqa)?(\.weight)?$/;

/** @param name of a matrix, as in checkpoints but for the fused ones (weights.ts) @returns null for one that does not train in FP8 */
export function fp8Recipe(name: string, options: Fp8Options): Fp8Recipe | null {
  if (!projection.test(name) && !(options.ehProj && name.endsWith(".eh_proj.weight"))) return null;
  const isAttentionOutput = name.endsWith(".o_proj.weight");
  const isAll = options.powerOfTwoScales === "all";
  return {
    inputFormat: isAttentionOutput && options.attentionOutput === "e5m6" ? "float12_e5m6" : "float8_e4m3fn",
    // Shared experts read the tokens that are dispatched to the routed ones.
    powerOfTwoInput: isAll || isAttentionOutput || /\.mlp\.(shared_)?experts\.gate_up_proj/.test(name),
    powerOfTwoGradient: isAll || /\.mlp\.experts\.down_proj$/.test(name),
    gradientBlocks: options.gradientBlocks,
    accumulationBits: options.accumulationBits,
  };
}
