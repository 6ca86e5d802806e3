/**
 * The worked examples before a question; evaluation.md 8.6. The usual sampler draws one more than is wanted from the split of the shots and
 * drops the evaluated document, if that is among them; `first_n` takes the first of the split. What is drawn depends on the seed and the
 * document's number alone, so a limit or a selection of documents changes no prompt.
 */
import { hashInts, permuted, stream } from "../../data/random.js";
import type { Doc } from "../taskFile.js";

export interface ShotPool {
  readonly docs: readonly Doc[];
  readonly sampler: "default" | "first_n";
}

/**
 * @param doc the evaluated document, which is none of its own shots
 * @throws RangeError for a pool with too few
 */
export function chooseShots({ docs, sampler }: ShotPool, count: number, doc: Doc, docId: number, seed: number): Doc[] {
  if (count === 0) return [];
  const own = JSON.stringify(doc);
  const key = hashInts(seed, stream.shots, docId);
  const at = (i: number): Doc | undefined => docs[sampler === "first_n" ? i : permuted(i, docs.length, key)];
  const shots: Doc[] = [];
  for (let i = 0; shots.length < count && i < docs.length; i++) {
    const shot = at(i);
    if (shot && JSON.stringify(shot) !== own) shots.push(shot);
  }
  if (shots.length === count) return shots;
  throw new RangeError(
    `${count} shots are wanted, their split has ${docs.length} documents to choose from (--num-fewshot)`,
  );
}
