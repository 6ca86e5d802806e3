/**
 * Autograd over coarse ops: each op appends one node with the closure of its backward. The tape also owns the memory: what was allocated
 * since the last node belongs to the next one and is given back as soon as that node's backward has run, so memory falls while the
 * backward walks. Without gradients the same ops run and `scoped` frees everything but its result.
 *
 * Nodes are grouped in segments (the phases of a block). A backward may be asynchronous: the exchange of tokens between processes.
 * Weight gradients can be deferred: a segment then computes only gradients of activations, and `runDeferred` does the rest later, in the
 * order in which they were queued; the bits are the same.
 */
import type { Arena } from "./arena.js";
import { bytesPerElement, type Dtype } from "./dtype.js";
import { native } from "./native.js";
import { type QuantizedRows, type Shape, Tensor } from "./tensor.js";

export type Backward = () => void | Promise<void>;

interface Node {
  readonly backward: Backward | null;
  readonly owned: Tensor[];
}

/** A result with the way to compute it anew from what is kept, for `dropUntilBackward`. */
export interface Recomputable {
  readonly y: Tensor;
  readonly recompute: () => void;
}

export interface TapeOptions {
  readonly hasGrad: boolean;
  /** Queue weight gradients for `runDeferred` instead of computing them within `backward`. Default false. */
  readonly deferWeightGrads?: boolean;
  /** Drop norm outputs, up-projections and SwiGLU outputs in the forward and compute them again in the backward. Default false. */
  readonly recompute?: boolean;
  /** Seed of what adapters drop in this pass, another one in each; null, the default: they drop nothing. */
  readonly dropoutSeed?: number | null;
}

/** Where an op puts a gradient: overwrite the first time, add afterwards. */
export interface GradTarget {
  readonly tensor: Tensor;
  readonly accumulate: 0 | 1;
}

export class Tape implements Disposable {
  readonly arena: Arena;
  readonly hasGrad: boolean;
  readonly dropoutSeed: number | null;
  readonly #defer: boolean;
  readonly #recompute: boolean;
  #segments: Node[][] = [[]];
  #pending: Tensor[] = [];
  #deferred: { readonly compute: (() => void) | null; readonly release: () => void }[] = [];

  constructor(arena: Arena, options: TapeOptions) {
    this.arena = arena;
    this.hasGrad = options.hasGrad;
    this.dropoutSeed = options.dropoutSeed ?? null;
    this.#defer = options.deferWeightGrads ?? false;
    this.#recompute = options.recompute ?? false;
  }

  /** Uninitialised; belongs to the tape. */
  empty(shape: Shape, dtype: Dtype): Tensor {
    const tensor = Tensor.empty(this.arena, shape, dtype);
    this.#pending.push(tensor);
    return tensor;
  }

  zeros(shape: Shape, dtype: Dtype): Tensor {
    const tensor = this.empty(shape, dtype);
    tensor.fill(0);
    return tensor;
  }

  ints(values: ArrayLike<number>): Tensor {
    const tensor = this.empty([values.length], "int32");
    tensor.ints().set(values);
    return tensor;
  }

  /** Appends a node; nothing is kept without gradients, whose memory waits for the end of a scope or of the tape. */
  record(backward: Backward): void {
    if (!this.hasGrad) return;
    this.#segments.at(-1)?.push({ backward, owned: this.#pending });
    this.#pending = [];
  }

  /** Starts the next phase; `backwardSegment` walks back to here. */
  beginSegment(): void {
    this.#flush();
    if (this.#segments.at(-1)?.length) this.#segments.push([]);
  }

  /** The place for a contribution to the gradient of `x`. Only within a backward. */
  target(x: Tensor): GradTarget {
    if (x.grad) return { tensor: x.grad, accumulate: 1 };
    x.grad = Tensor.empty(this.arena, x.shape, x.dtype);
    return { tensor: x.grad, accumulate: 0 };
  }

  /** Adds `gradient` to that of `x`, for kernels that only overwrite. A temporary of this backward becomes the gradient, uncopied. */
  contribute(x: Tensor, gradient: Tensor): void {
    const at = x.grad ? -1 : this.#pending.lastIndexOf(gradient);
    if (at >= 0) {
      this.#pending.splice(at, 1);
      x.grad = gradient;
      return;
    }
    const { tensor, accumulate } = this.target(x);
    const { rows, columns } = x;
    if (accumulate) native().addScaled(tensor.address, gradient.address, 1, x.size, x.code);
    else native().copyRows(tensor.address, gradient.address, rows, columns, columns, columns, bytesPerElement[x.dtype]);
  }

  /** The gradient of a result that is read for the last time: a temporary now, which `contribute` can hand on. */
  takeGrad(y: Tensor): Tensor | null {
    const gradient = y.grad;
    y.grad = null;
    if (gradient) this.#pending.push(gradient);
    return gradient;
  }

  /** Weight gradients: now, or in `runDeferred`, until when the memory of the nodes walked meanwhile is kept. */
  weightGrad(compute: () => void): void {
    if (this.#defer) this.#deferred.push({ compute, release: () => {} });
    else compute();
  }

  /**
   * Drops values that are cheap to compute again (norms, up-projections: report 3.2.3): frees them now, and computes them anew when the
   * backward reaches this point, before the nodes that read them, if any does.
   */
  dropUntilBackward(values: readonly Tensor[], recompute: () => void): void {
    if (!this.hasGrad || !this.#recompute) return;
    this.#flush();
    for (const value of values) {
      value.free();
      if (value.quantized?.isDropped) freeQuantized(value.quantized);
    }
    if (!values.some((value) => value.isReadInBackward)) return;
    this.record(() => {
      for (const value of values) value.revive();
      recompute();
    });
  }

  /** Frees values that were read for the last time in the forward: those that no recorded backward reads. */
  release(...values: readonly Tensor[]): void {
    if (!this.hasGrad) return;
    for (const value of values) if (!value.isReadInBackward) value.free();
  }

  /** Runs `body` and, without gradients, gives back everything it allocated but its result. */
  scoped<R extends Tensor | readonly Tensor[]>(body: () => R): R {
    if (this.hasGrad) return body();
    const outer = this.#pending;
    this.#pending = [];
    const result = body();
    this.#keepOnly(result, outer);
    return result;
  }

  /** The same for a body that waits for other processes. */
  async scopedAsync<R extends Tensor | readonly Tensor[]>(body: () => Promise<R>): Promise<R> {
    if (this.hasGrad) return body();
    const outer = this.#pending;
    this.#pending = [];
    const result = await body();
    this.#keepOnly(result, outer);
    return result;
  }

  /** Walks all segments back; gradients of activations and (unless deferred) of parameters are complete afterwards. */
  async backward(): Promise<void> {
    while (this.#segments.length > 0) await this.backwardSegment();
    this.#segments = [[]];
  }

  /** Walks back the last segment. */
  async backwardSegment(): Promise<void> {
    this.#flush();
    const nodes = this.#segments.pop() ?? [];
    for (let node = nodes.pop(); node; node = nodes.pop()) {
      const pause = node.backward?.();
      if (pause) await pause;
      const temporaries = this.#pending;
      this.#pending = [];
      const { owned } = node;
      const release = (): void => {
        for (const tensor of temporaries) tensor.free();
        for (const tensor of owned) tensor.free();
      };
      if (this.#defer) this.#deferred.push({ compute: null, release });
      else release();
    }
  }

  runDeferred(): void {
    const queue = this.#deferred;
    this.#deferred = [];
    for (const { compute, release } of queue) {
      compute?.();
      release();
    }
  }

  /** Frees whatever is left; a tape abandoned after an error leaves nothing behind. */
  [Symbol.dispose](): void {
    for (const { release } of this.#deferred) release();
    this.#deferred = [];
    this.#flush();
    for (const nodes of this.#segments) for (const { owned } of nodes) for (const tensor of owned) tensor.free();
    this.#segments = [[]];
    for (const tensor of this.#pending) tensor.free();
    this.#pending = [];
  }

  /** Frees what a scope took but its result, which joins what was pending outside. */
  #keepOnly(result: Tensor | readonly Tensor[], outer: Tensor[]): void {
    const kept = result instanceof Tensor ? [result] : result;
    for (const tensor of this.#pending) if (!kept.includes(tensor)) tensor.free();
    outer.push(...kept);
    this.#pending = outer;
  }

  /** Puts pending memory under a node without a backward, so that it outlives what is recorded later. */
  #flush(): void {
    if (!this.hasGrad || this.#pending.length === 0) return;
    this.#segments.at(-1)?.push({ backward: null, owned: this.#pending });
    this.#pending = [];
  }
}

function freeQuantized({ data, scales }: QuantizedRows): void {
  data.free();
  scales.free();
}
