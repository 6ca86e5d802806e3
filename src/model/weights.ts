/**
 * Makes the parameters of a model, each under its checkpoint name, and hands them to the parts. Gate and up projections of a feed-forward
 * part lie in one matrix, and the experts of a layer in one array [experts, out, in], so that each is one product; checkpoint/hfNames.ts
 * knows which rows of them a checkpoint tensor is.
 */
import type { Arena } from "../tensor/arena.js";
import type { ComputeDtype, QuantDtype } from "../tensor/dtype.js";
import { createFp8, createParameter, createQuantized, type Parameter } from "../tensor/parameter.js";
import { type Shape, Tensor } from "../tensor/tensor.js";
import { type Fp8Options, fp8Recipe } from "./fp8.js";

/** How the matrix of a name is stored; null = in the compute type. */
export type StorageOf = (name: string, shape: Shape) => { readonly dtype: QuantDtype; readonly group: number } | null;

export class Weights {
  readonly arena: Arena;
  /** Type of the matrices; norm weights, the router and its bias stay float32 (model.md A11). */
  readonly dtype: ComputeDtype;
  readonly all: Parameter[] = [];
  /** What trains with the model and is no part of its checkpoint tensors, but in files of its own: a value head. */
  readonly beside: Parameter[] = [];

  readonly #storageOf: StorageOf;
  readonly #fp8: Fp8Options | null;

  /** @param fp8 trains the linears that it is for in FP8; null: all in the compute type */
  constructor(arena: Arena, dtype: ComputeDtype, storageOf: StorageOf = () => null, fp8: Fp8Options | null = null) {
    this.#fp8 = fp8;
    this.arena = arena;
    this.dtype = dtype;
    this.#storageOf = storageOf;
  }

  matrix(name: string, ...shape: number[]): Parameter {
    const storage = this.#storageOf(name, shape);
    if (storage) return this.#add(createQuantized(this.arena, name, shape, storage.dtype, storage.group));
    const recipe = this.#fp8 && fp8Recipe(name, this.#fp8);
    if (recipe) return this.#add(createFp8(this.arena, name, shape, recipe));
    return this.#add(createParameter(this.arena, name, shape, this.dtype));
  }

  /** A matrix in float32 in every precision: the router. */
  exactMatrix(name: string, ...shape: number[]): Parameter {
    return this.#add(createParameter(this.arena, name, shape, "float32"));
  }

  norm(name: string, dim: number): Parameter {
    const parameter = createParameter(this.arena, name, [dim], "float32");
    parameter.data.fill(1);
    return this.#add(parameter);
  }

  /** A float32 array that no gradient moves. */
  buffer(name: string, dim: number): Parameter {
    return this.#add(createParameter(this.arena, name, [dim], "float32", true));
  }

  /** What a gradient moves: all but buffers, or the adapter alone where there is one. */
  get trained(): readonly Parameter[] {
    return [...this.all, ...this.beside].flatMap((parameter) => [
      ...(parameter.isTrained ? [parameter] : []),
      ...parameter.adapters.flatMap(({ a, b }) => [a, b]),
    ]);
  }

  /** Gives every trained parameter a zeroed float32 gradient. */
  createGrads(): void {
    for (const parameter of this.trained) {
      parameter.grad ??= Tensor.zeros(this.arena, parameter.shape, "float32");
    }
  }

  free(): void {
    for (const parameter of new Set([...this.all, ...this.beside, ...this.trained])) {
      parameter.data.free();
      parameter.scales?.values.free();
      parameter.fp8?.scales.free();
      parameter.fp8?.exact?.free();
      parameter.grad?.free();
      parameter.grad = null;
    }
  }

  #add(parameter: Parameter): Parameter {
    this.all.push(parameter);
    return parameter;
  }
}
