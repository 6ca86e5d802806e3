/**
 * DeepSeekMoE: fine-grained routed experts and shared experts, in three of a block's four phases: dispatch (route, bring tokens to
 * their experts), experts, combine. Report section 2.1.2. No token is dropped, unless training asks for V2's dropping.
 *
 * With expert parallelism rank r owns experts [r E/P, (r + 1) E/P). A token travels to a rank once, however many of its experts live there,
 * with its expert ids and weights; the rank adds up its experts' weighted results before sending one row back, and the token's rank
 * adds the partial sums in rank order (infrastructure.md 4.3). In one process the same path runs without the exchange.
 */
import type { Communicator } from "../distributed/communicator.js";
import { fetchAhead } from "../tensor/ops/fetchAhead.js";
import { fp8Of } from "../tensor/ops/fp8Linear.js";
import { groupedLinear } from "../tensor/ops/linear.js";
import { combine, type ExpertOrder, permute, sortByExpert } from "../tensor/ops/permute.js";
import type { RowKind } from "../tensor/ops/products.js";
import type { Replay, Routing } from "../tensor/ops/router.js";
import { swiglu, swigluFp8 } from "../tensor/ops/swiglu.js";
import type { Parameter } from "../tensor/parameter.js";
import type { Tape } from "../tensor/tape.js";
import { sizeOf, type Tensor } from "../tensor/tensor.js";
import type { Batch } from "./batch.js";
import type { ModelConfig } from "./config.js";
import { exchangeInts, exchangeRows, type RowCounts, receiveCounts } from "./exchange.js";
import { SwigluMlp } from "./mlp.js";
import { inPieces, type Pause } from "./pieces.js";
import { Router } from "./router.js";
import { dropTokens } from "./tokenDropping.js";
import type { Weights } from "./weights.js";

/** V2's limit to what a group of experts computes of a batch; see tokenDropping.ts. */
export interface Dropping {
  readonly batch: Batch;
  readonly capacityFactor: number;
}

/** What training may ask of a dispatch. */
export interface DispatchOptions {
  /** Default: every assignment is computed. */
  readonly dropping?: Dropping | null;
  /** Default: the gate chooses. */
  readonly replay?: Replay | null;
}

/** Tokens where their experts are: the result of the dispatch phase. */
export interface Dispatched {
  /** What the gate chose, dropped assignments included. */
  readonly routing: Routing;
  /** [sorted rows, hiddenSize] in the order of the local experts */
  readonly x: Tensor;
  readonly order: ExpertOrder;
  /** [local tokens, k] float32 */
  readonly weights: Tensor;
  /** How the tokens came here; null in one process. */
  readonly journey: { readonly rankOrder: ExpertOrder; readonly counts: RowCounts } | null;
}

export class MoE {
  readonly gate: Router;
  readonly gateUpProj: Parameter;
  readonly downProj: Parameter;
  readonly sharedExperts: SwigluMlp | null;
  readonly #config: ModelConfig;
  readonly #group: Communicator;
  readonly #localExperts: number;

  /** @param group the ranks that share the experts between them; one rank holds all */
  constructor(weights: Weights, prefix: string, config: ModelConfig, group: Communicator) {
    const { nRoutedExperts, moeIntermediateSize: m, hiddenSize: d, nSharedExperts } = config;
    if (nRoutedExperts % group.size !== 0) {
      throw new RangeError(`expert parallelism: ${nRoutedExperts} experts do not divide among ${group.size} processes`);
    }
    this.#config = config;
    this.#group = group;
    this.#localExperts = nRoutedExperts / group.size;
    this.gate = new Router(weights, `${prefix}.gate`, config);
    this.gateUpProj = weights.matrix(`${prefix}.experts.gate_up_proj`, this.#localExperts, 2 * m, d);
    this.downProj = weights.matrix(`${prefix}.experts.down_proj`, this.#localExperts, d, m);
    this.sharedExperts =
      nSharedExperts > 0 ? new SwigluMlp(weights, `${prefix}.shared_experts`, d, nSharedExperts * m) : null;
  }

  /** Matrices in the order in which decoding reads them. */
  get readOrder(): readonly Parameter[] {
    return [this.gate.weight, ...(this.sharedExperts?.readOrder ?? []), this.gateUpProj, this.downProj];
  }

  /**
   * Phase 2: route and bring each token to the ranks of its experts.
   * @param x [T, hiddenSize], normed
   */
  async dispatch(
    tape: Tape,
    x: Tensor,
    kind: RowKind,
    { dropping = null, replay = null }: DispatchOptions = {},
  ): Promise<Dispatched> {
    const routing = this.gate.forward(tape, x, kind, replay);
    const experts = dropping ? this.#kept(tape, routing, dropping) : routing.experts;
    if (this.#group.size === 1) {
      const order = sortByExpert(tape, experts, this.#localExperts);
      return { routing, x: permute(tape, x, order), order, weights: routing.weights, journey: null };
    }
    const rankOrder = sortByExpert(tape, this.#destinations(tape, experts), this.#group.size);
    const counts = await receiveCounts(this.#group, rankOrder.offsets.ints());
    const rows = await exchangeRows(tape, this.#group, permute(tape, x, rankOrder), counts);
    const weights = await exchangeRows(tape, this.#group, permute(tape, routing.weights, rankOrder), counts);
    const local = await this.#localIds(tape, experts, rankOrder, counts);
    const order = sortByExpert(tape, local, this.#localExperts);
    return { routing, x: permute(tape, rows, order), order, weights, journey: { rankOrder, counts } };
  }

  /** Phase 3: every local expert on its rows. @returns [sorted rows, hiddenSize] */
  experts(tape: Tape, { x, order }: Dispatched, kind: RowKind): Tensor {
    if (kind === "decode") fetchAhead(this.gateUpProj, order.offsets);
    return this.#experts(tape, x, order.offsets, kind);
  }

  /** The same of a prompt, without gradients. */
  expertsInPieces(tape: Tape, { x, order }: Dispatched, pause: Pause): Promise<Tensor> {
    const operations = (2 * (sizeOf(this.gateUpProj.shape) + sizeOf(this.downProj.shape))) / this.#localExperts;
    const offsets = order.offsets.ints();
    return inPieces(tape, x, operations, pause, (part, { begin, rows }) => {
      const within = tape.ints(offsets.map((offset) => Math.min(Math.max(offset - begin, 0), rows)));
      return this.#experts(tape, part, within, "prefill");
    });
  }

  #experts(tape: Tape, x: Tensor, offsets: Tensor, kind: RowKind): Tensor {
    const gateUp = groupedLinear(tape, x, this.gateUpProj, offsets, kind);
    tape.release(x); // FP8 linears keep its quantised rows.
    const hidden = fp8Of(this.downProj, kind) ? swigluFp8(tape, gateUp) : swiglu(tape, gateUp);
    const y = groupedLinear(tape, hidden.y, this.downProj, offsets, kind);
    tape.dropUntilBackward([hidden.y], hidden.recompute);
    return y;
  }

  /** Phase 4: weighted sums back at the tokens, plus the shared experts. @param shared [T, hiddenSize] or null */
  async combine(tape: Tape, dispatched: Dispatched, y: Tensor, shared: Tensor | null): Promise<Tensor> {
    const { journey, order, weights } = dispatched;
    if (!journey) return combine(tape, y, weights, order, shared);
    const partial = combine(tape, y, weights, order, null);
    const back = await exchangeRows(tape, this.#group, partial, {
      sent: journey.counts.received,
      received: journey.counts.sent,
    });
    const { rankOrder } = journey;
    const ones = tape.empty([rankOrder.numTokens, rankOrder.slotsPerToken], "float32");
    ones.fill(1);
    return combine(tape, back, ones, rankOrder, shared);
  }

  /** [T, k] int32: expert ids, -1 where the assignment was dropped. */
  #kept(tape: Tape, routing: Routing, { batch, capacityFactor }: Dropping): Tensor {
    const kept = tape.empty(routing.experts.shape, "int32");
    kept.ints().set(dropTokens(routing, batch, this.#config, capacityFactor));
    return kept;
  }

  /** [T, P] int32: slot r holds r if the token has an expert on rank r, else -1. */
  #destinations(tape: Tape, experts: Tensor): Tensor {
    const { size } = this.#group;
    const k = experts.columns;
    const ids = experts.ints();
    const result = tape.empty([experts.rows, size], "int32");
    const ranks = result.ints().fill(-1);
    for (let slot = 0; slot < ids.length; slot++) {
      const expert = ids[slot] ?? -1;
      if (expert < 0) continue;
      const rank = Math.floor(expert / this.#localExperts);
      ranks[Math.floor(slot / k) * size + rank] = rank;
    }
    return result;
  }

  /** Expert ids of the received rows, counted from this rank's first expert; -1 for experts elsewhere. */
  async #localIds(tape: Tape, experts: Tensor, rankOrder: ExpertOrder, counts: RowCounts): Promise<Tensor> {
    const { numExpertsPerTok: k } = this.#config;
    const ids = experts.ints();
    const slots = rankOrder.rowSlot.ints();
    const outgoing = new Int32Array(rankOrder.numSorted * k);
    for (let row = 0; row < rankOrder.numSorted; row++) {
      const token = Math.floor((slots[row] ?? 0) / rankOrder.slotsPerToken);
      for (let j = 0; j < k; j++) outgoing[row * k + j] = ids[token * k + j] ?? -1;
    }
    const incoming = await exchangeInts(this.#group, outgoing, k, counts);
    const first = this.#group.rank * this.#localExperts;
    const result = tape.empty([incoming.length / k, k], "int32");
    const local = result.ints();
    incoming.forEach((id, i) => {
      const offset = id - first;
      local[i] = offset >= 0 && offset < this.#localExperts ? offset : -1;
    });
    return result;
  }
}
