/**
 * Rotation tables of the decoupled RoPE, interleaved pairs (2i, 2i + 1), with YaRN where the config asks for it. Angles are computed in
 * float64 and stored in float32: at positions near 160K a bf16 angle means nothing. model.md A3, A4.
 */
import type { Arena } from "../tensor/arena.js";
import type { RopeTables } from "../tensor/ops/rope.js";
import { Tensor } from "../tensor/tensor.js";
import { type ModelConfig, rotatedDim } from "./config.js";
import { ropeFrequencies, ropeMagnitude } from "./ropeScaling.js";

/** @param positions rows of the tables: the longest sequence that will be seen */
export function createRopeTables(arena: Arena, config: ModelConfig, positions: number): RopeTables {
  const frequencies = ropeFrequencies(rotatedDim(config), config.ropeTheta, config.ropeScaling);
  const magnitude = ropeMagnitude(config.ropeScaling);
  const half = frequencies.length;
  const cos = Tensor.empty(arena, [positions, half], "float32");
  const sin = Tensor.empty(arena, [positions, half], "float32");
  const [c, s] = [cos.floats(), sin.floats()];
  for (let position = 0; position < positions; position++) {
    for (let i = 0; i < half; i++) {
      const angle = position * (frequencies[i] ?? 0);
      c[position * half + i] = Math.cos(angle) * magnitude;
      s[position * half + i] = Math.sin(angle) * magnitude;
    }
  }
  return { cos, sin };
}
