/**
 * A right and a wrong answer to the same question, both written by the same model, as pairs for a reward model or DPO. What a policy itself gets
 * wrong teaches more about its answers than errors made up for it. post-training.md 6.2.
 */
import { writeFileAtomic } from "../../files/atomic.js";
import { type LinePlace, LineReader, readLog } from "../ask/jsonLog.js";
import { countsOf } from "./collect.js";
import { asCandidate, type DistillPrompt } from "./records.js";
import { normalised } from "./words.js";

/** Why a question has no pair. */
export type UnpairedReason = "not scored" | "none right" | "none wrong";

export interface PairsReport {
  readonly perPrompt: number;
  /** Questions with a pair. */
  readonly prompts: number;
  readonly pairs: number;
  readonly dropped: Readonly<Partial<Record<UnpairedReason, number>>>;
}

interface Answers {
  /** By text: an answer that was given twice counts once. */
  readonly right: Map<string, LinePlace>;
  readonly wrong: Map<string, LinePlace>;
}

/**
 * Replaces `target` by pairs, in the order of the questions. Answers that were cut are left out: they are wrong for their length alone;
 * and so are empty ones, which are no turns of a conversation.
 * @param path the log of candidates
 * @param perPrompt most pairs of a question; none is there twice
 * @throws RangeError if no question has both a right and a wrong answer
 */
export async function writePairs(
  target: string,
  path: string,
  prompts: readonly DistillPrompt[],
  perPrompt: number,
): Promise<PairsReport> {
  const answers = await answersByPrompt(path);
  const unpaired: UnpairedReason[] = [];
  const paired = prompts.flatMap((prompt) => {
    const { right, wrong } = answers.get(prompt.id) ?? { right: new Map(), wrong: new Map() };
    if (right.size > 0 && wrong.size > 0) {
      const [good, bad] = [[...right.values()], [...wrong.values()]];
      return [{ prompt, pairs: pairsOf(good, bad, perPrompt) }];
    }
    unpaired.push(right.size + wrong.size === 0 ? "not scored" : right.size === 0 ? "none right" : "none wrong");
    return [];
  });
  const dropped = countsOf(unpaired);
  if (paired.length === 0) {
    throw new RangeError(
      `${path}: no question has both a right and a wrong answer that was not cut: ${JSON.stringify(dropped)}; more --samples or a higher --temperature give some`,
    );
  }
  using reader = new LineReader(path);
  const turn = (place: LinePlace): object[] => [
    { role: "assistant", content: asCandidate(reader.value(place), path).completion },
  ];
  const lines = function* (): Generator<string> {
    for (const { prompt, pairs } of paired) {
      for (const [right, wrong] of pairs) {
        const asked = [{ role: "user", content: prompt.prompt }];
        yield `${JSON.stringify({ prompt: asked, chosen: turn(right), rejected: turn(wrong) })}\n`;
      }
    }
  };
  writeFileAtomic(target, lines());
  const pairs = paired.reduce((sum, each) => sum + each.pairs.length, 0);
  return { perPrompt, prompts: paired.length, pairs, dropped };
}

/** Pairs of all with all, none twice; every answer of both sides is used before a second round begins. @returns at most `most` of them */
export function pairsOf<T>(right: readonly T[], wrong: readonly T[], most: number): (readonly [T, T])[] {
  const count = Math.min(most, right.length * wrong.length);
  // Both sides in turn come back to the same pairs after their least common multiple: from there on, shifted by one.
  const round = leastCommonMultiple(right.length, wrong.length);
  return Array.from({ length: count }, (_, i) => {
    const [good, bad] = [right[i % right.length], wrong[(i + Math.floor(i / round)) % wrong.length]];
    return [good as T, bad as T] as const;
  });
}

function leastCommonMultiple(a: number, b: number): number {
  let multiple = Math.max(a, b);
  while (multiple % a !== 0 || multiple % b !== 0) multiple++;
  return multiple;
}

async function answersByPrompt(path: string): Promise<ReadonlyMap<string, Answers>> {
  // A candidate that was scored again is there again: its last line counts.
  const latest = new Map<
    string,
    { readonly promptId: string; readonly isRight: boolean; readonly text: string; readonly place: LinePlace }
  >();
  for await (const { value, at, offset, bytes } of readLog(path)) {
    const { id, prompt_id: promptId, correct, finish_reason, completion } = asCandidate(value, at);
    const isUsable = finish_reason === "stop" && completion.trim() !== "";
    if (correct === null || !isUsable) latest.delete(id);
    else latest.set(id, { promptId, isRight: correct, text: normalised(completion), place: { offset, bytes } });
  }
  const byPrompt = new Map<string, Answers>();
  for (const { promptId, isRight, text, place } of latest.values()) {
    const own = byPrompt.get(promptId) ?? { right: new Map(), wrong: new Map() };
    byPrompt.set(promptId, own);
    const side = isRight ? own.right : own.wrong;
    if (!side.has(text)) side.set(text, place);
  }
  return byPrompt;
}
