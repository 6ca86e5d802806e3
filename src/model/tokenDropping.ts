/**
 * DeepSeek-V2's token dropping, in training alone (V2 report section 2.2.4; model.md A8): a device, here a routing group of experts, computes
 * at most its even share of a forward pass's assignments times a capacity factor. Beyond that, assignments of the lowest affinity are
 * left out; their tokens keep their other experts, the shared ones and the residual. About a tenth of the sequences drop nothing, so that
 * generation, which never drops, is no other model.
 * Deviations: the share is that of one micro-batch of one process; which sequences are spared follows from a hash of their tokens, so that
 * it is the same after a resume and on any number of processes.
 */
import type { RouterShape, Routing } from "../tensor/ops/router.js";
import type { Batch } from "./batch.js";

/**
 * @param capacityFactor 1 = the even share
 * @returns [rows, k] expert ids, -1 where the assignment was dropped
 */
export function dropTokens(routing: Routing, batch: Batch, shape: RouterShape, capacityFactor: number): Int32Array {
  const { nRoutedExperts: e, nGroup } = shape;
  const kept = routing.experts.ints().slice();
  const k = routing.experts.columns;
  const scores = routing.scores.floats();
  const perGroup = e / nGroup;
  const capacity = Math.floor((capacityFactor * kept.length) / nGroup);
  const isSpared = sparedRows(batch);
  const affinity = (slot: number): number => scores[Math.floor(slot / k) * e + (kept[slot] ?? 0)] ?? 0;
  for (let group = 0; group < nGroup; group++) {
    let spared = 0;
    const droppable: number[] = [];
    for (let slot = 0; slot < kept.length; slot++) {
      if (Math.floor((kept[slot] ?? 0) / perGroup) !== group) continue;
      if (isSpared[Math.floor(slot / k)] === 1) spared++;
      else droppable.push(slot);
    }
    const room = Math.max(0, capacity - spared);
    if (droppable.length <= room) continue;
    const byAffinity = droppable.map((slot) => ({ slot, value: affinity(slot) }));
    byAffinity.sort((a, b) => b.value - a.value || a.slot - b.slot);
    for (const { slot } of byAffinity.slice(room)) kept[slot] = -1;
  }
  return kept;
}

/** [rows], 1 for the tokens of sequences that drop nothing. */
function sparedRows(batch: Batch): Uint8Array {
  const ids = batch.ids.ints();
  const offsets = batch.seqOffsets.ints();
  const result = new Uint8Array(ids.length);
  for (let s = 0; s < batch.numSequences; s++) {
    const [begin, end] = [offsets[s] ?? 0, offsets[s + 1] ?? 0];
    if (isSparedSequence(ids.subarray(begin, end))) result.fill(1, begin, end);
  }
  return result;
}

/** One of ten sequences, by the FNV-1a hash of its ids. */
export function isSparedSequence(ids: Int32Array): boolean {
  let hash = 0x811c9dc5;
  for (const id of ids) hash = Math.imul(hash ^ id, 0x01000193) >>> 0;
  return ((hash ^ (hash >>> 16)) >>> 0) % 10 === 0;
}
