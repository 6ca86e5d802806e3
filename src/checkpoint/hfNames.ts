/**
 * Which tensors of a Hugging Face checkpoint (model.md B3) a parameter of ours is made of, and which of its elements each one is. Most are
 * equal; ours are fused where that makes one product of several:
 *
 *   mlp.gate_up_proj.weight [2I, d]      gate_proj.weight, then up_proj.weight (also in shared_experts)
 *   mlp.experts.gate_up_proj [E, 2m, d]  experts.{j}.gate_proj.weight, then experts.{j}.up_proj.weight, for each expert
 *   mlp.experts.down_proj [E, d, m]      experts.{j}.down_proj.weight
 *   self_attn.kv_proj.weight             per head the rows of k_proj.weight, then those of v_proj.weight (baselines gqa and mha)
 *
 * Old and new files agree in these names; the fused form that newer programs keep in memory is never on disk.
 */
import type { ModelConfig } from "../model/config.js";
import type { Parameter } from "../tensor/parameter.js";
import { type Shape, sizeOf } from "../tensor/tensor.js";

/** Elements [start, start + length) of a parameter's own array. */
export interface Slice {
  readonly start: number;
  readonly length: number;
}

/** A checkpoint tensor as a part of a parameter; its elements in order are those of the slices. */
export interface HfTensor {
  readonly name: string;
  readonly shape: Shape;
  readonly slices: readonly Slice[];
}

type Named = Pick<Parameter, "name" | "shape">;

/**
 * The checkpoint tensors of a parameter.
 * @param expertRank this process's rank among those that deal out the experts: it holds [rank * E_local, (rank + 1) * E_local)
 */
export function hfTensors(config: Pick<ModelConfig, "headDim">, parameter: Named, expertRank = 0): HfTensor[] {
  const { name, shape } = parameter;
  if (isExpertArray(parameter)) return expertTensors(parameter, expertRank);
  const [rows = 1, columns = 1] = shape;
  const at = name.lastIndexOf(".", name.length - ".weight".length - 1);
  const [prefix, kind] = [name.slice(0, at), name.slice(at + 1)];
  if (kind === "gate_up_proj.weight") {
    const half: Shape = [rows / 2, columns];
    return [
      contiguous(`${prefix}.gate_proj.weight`, half, 0),
      contiguous(`${prefix}.up_proj.weight`, half, sizeOf(half)),
    ];
  }
  if (kind === "kv_proj.weight") {
    const length = config.headDim * columns;
    return ["k_proj", "v_proj"].map((part, i) => ({
      name: `${prefix}.${part}.weight`,
      shape: [rows / 2, columns],
      slices: Array.from({ length: rows / (2 * config.headDim) }, (_, head) => ({
        start: (2 * head + i) * length,
        length,
      })),
    }));
  }
  return [contiguous(name, shape, 0)];
}

/** Whether a parameter holds one matrix for each local expert. */
export function isExpertArray({ shape }: Named): boolean {
  return shape.length === 3;
}

function expertTensors({ name, shape }: Named, expertRank: number): HfTensor[] {
  const [experts = 0, rows = 0, columns = 0] = shape;
  const at = name.lastIndexOf(".");
  const [prefix, kind] = [name.slice(0, at), name.slice(at + 1)];
  const parts = kind === "gate_up_proj" ? ["gate_proj", "up_proj"] : [kind];
  const part: Shape = [rows / parts.length, columns];
  return Array.from({ length: experts }, (_, j) =>
    parts.map((partName, i) => {
      const expert = expertRank * experts + j;
      return contiguous(`${prefix}.${expert}.${partName}.weight`, part, (j * parts.length + i) * sizeOf(part));
    }),
  ).flat();
}

function contiguous(name: string, shape: Shape, start: number): HfTensor {
  return { name, shape, slices: [{ start, length: sizeOf(shape) }] };
}

/** A tensor that a checkpoint holds a second time, and the one it copies. */
export interface SharedCopy {
  readonly name: string;
  readonly of: string;
}

/** Each MTP layer of a file repeats the embedding and the head: written on export, not needed on load (model.md A9). */
export function sharedCopies(config: Pick<ModelConfig, "numHiddenLayers" | "numNextnPredictLayers">): SharedCopy[] {
  return Array.from({ length: config.numNextnPredictLayers }, (_, k) => {
    const prefix = `model.layers.${config.numHiddenLayers + k}`;
    return [
      { name: `${prefix}.embed_tokens.weight`, of: "model.embed_tokens.weight" },
      { name: `${prefix}.shared_head.head.weight`, of: "lm_head.weight" },
    ];
  }).flat();
}
