/** Scores candidates: the record of each is added to the log again, with what it is worth, and takes the place of the earlier one. */
import { isObject } from "../../files/json.js";
import { eachInWindow } from "../ask/inWindow.js";
import { type LinePlace, LineReader, readLog } from "../ask/jsonLog.js";
import { OrderedLog } from "../ask/orderedLog.js";
import { asCandidate, type Candidate, type DistillPrompt } from "./records.js";
import type { Verdict } from "./scoring.js";

export interface ScoreOptions {
  /** Rewards that an answer to a prompt must have to count as scored. */
  readonly names: (prompt: DistillPrompt) => readonly string[];
  /** Score those that have all of them too. */
  readonly again: boolean;
  readonly atOnce: number;
}

export interface ScoreResult {
  readonly candidates: number;
  /** Scored in this run. */
  readonly scored: number;
  readonly correct: number;
  readonly wrong: number;
  /** No verifier could tell. */
  readonly untold: number;
  readonly isStopped: boolean;
}

interface Known extends LinePlace {
  readonly promptId: string;
  readonly isScored: boolean;
}

/**
 * @param path the log of candidates
 * @throws RangeError for a candidate of a prompt that is not there; what `judge` throws, with what is scored kept
 */
export async function scoreCandidates(
  path: string,
  prompts: readonly DistillPrompt[],
  judge: (prompt: DistillPrompt, candidate: Candidate, signal: AbortSignal) => Promise<Verdict>,
  { names, again, atOnce }: ScoreOptions,
  signal: AbortSignal,
  onProgress: (done: number, wanted: number) => void = () => {},
): Promise<ScoreResult> {
  const byId = new Map(prompts.map((prompt) => [prompt.id, prompt]));
  const hasAll = (promptId: unknown, reward: unknown): boolean => {
    const prompt = byId.get(String(promptId));
    return prompt !== undefined && isObject(reward) && names(prompt).every((name) => name in reward);
  };
  const known = new Map<string, Known>();
  for await (const { value, at, offset, bytes } of readLog(path)) {
    const { id, prompt_id: promptId, reward } = asCandidate(value, at);
    if (!byId.has(promptId)) throw new RangeError(`${at}: there is no prompt ${promptId} to score it by`);
    known.set(id, { offset, bytes, promptId, isScored: hasAll(promptId, reward) });
  }
  if (known.size === 0) throw new RangeError(`${path}: no candidates to score; fathom distill sample makes them`);
  const order = [...known].flatMap(([id, { isScored }]) => (isScored && !again ? [] : [id]));
  using reader = new LineReader(path);
  const journal = path.replace(/\.jsonl$/, ".scores.jsonl");
  const isUsable = ({ prompt_id, reward }: Readonly<Record<string, unknown>>): boolean =>
    !again && hasAll(prompt_id, reward);
  using log = await OrderedLog.open<Candidate>(path, journal, order, () => true, isUsable);
  const begun = log.numDone;
  const counts = { correct: 0, wrong: 0, untold: 0 };
  const isStopped = await eachInWindow(log, order, atOnce, signal, async (id, stop) => {
    const place = known.get(id);
    const prompt = byId.get(place?.promptId ?? "");
    if (!place || !prompt) throw new Error(`internal: no candidate ${id}`);
    const candidate = asCandidate(reader.value(place), path);
    const { reward, correct } = await judge(prompt, candidate, stop);
    log.put({ ...candidate, reward, correct });
    counts[correct === null ? "untold" : correct ? "correct" : "wrong"]++;
    onProgress(log.numDone, order.length);
  });
  return { candidates: known.size, scored: log.numDone - begun, ...counts, isStopped };
}
