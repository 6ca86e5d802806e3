/**
 * Candidates: the answers of an expert to prompts, several to each. A sample's seed follows from the prompt, its number and one base seed, so that
 * another run asks for the same; what is answered is kept at once, in an order that does not depend on when it was. post-training.md 2.4.
 */
import { createHash } from "node:crypto";
import { type Expert, sampleSeed } from "../ask/expert.js";
import { eachInWindow } from "../ask/inWindow.js";
import { readLog } from "../ask/jsonLog.js";
import { OrderedLog } from "../ask/orderedLog.js";
import { asCandidate, type Candidate, type DistillPrompt } from "./records.js";

export interface SampleTask {
  readonly prompt: DistillPrompt;
  readonly index: number;
  readonly system: string | null;
}

export interface SampleOptions {
  readonly temperature: number;
  readonly topP: number;
  readonly maxTokens: number;
  /** Base of all seeds. */
  readonly seed: number;
}

export interface SampleProgress {
  /** Of those wanted, those that are there. */
  readonly done: number;
  readonly wanted: number;
  readonly tokens: number;
}

export interface SampleResult extends SampleProgress {
  /** Answered in this run. */
  readonly written: number;
  readonly isStopped: boolean;
}

/** Tasks of n samples to each prompt. */
export function sampleTasks(prompts: readonly DistillPrompt[], n: number, system: string | null): SampleTask[] {
  return prompts.flatMap((prompt) => Array.from({ length: n }, (_, index) => ({ prompt, index, system })));
}

/** Ids of what an expert is asked, in order. */
export function taskIds(tasks: readonly SampleTask[], expert: Pick<Expert, "name">, seed: number): string[] {
  return tasks.map(({ prompt, index }) =>
    candidateId(prompt.id, index, expert.name, sampleSeed(seed, prompt.id, index)),
  );
}

/**
 * @param path the log of candidates
 * @param signal ends it with what is there; unfinished answers are given up
 * @throws RangeError for candidates of the same expert and seed that were asked in another way; what the expert throws, with what is kept
 */
export async function sampleCandidates(
  path: string,
  tasks: readonly SampleTask[],
  expert: Expert,
  options: SampleOptions,
  signal: AbortSignal,
  onProgress: (progress: SampleProgress) => void = () => {},
): Promise<SampleResult> {
  checkOptions(tasks, options);
  const ids = taskIds(tasks, expert, options.seed);
  const wanted = new Map(tasks.map((task, i) => [ids[i] ?? "", task]));
  const there = await candidatesThere(path, wanted, options);
  const order = [...wanted.keys()].filter((id) => !there.has(id));
  using log = await OrderedLog.open<Candidate>(path, journalOf(path), order, (id) => there.has(id));
  const begun = log.numDone;
  let tokens = 0;
  const progress = (): SampleProgress => ({ done: there.size + log.numDone, wanted: wanted.size, tokens });
  const ask = async (id: string, stop: AbortSignal): Promise<void> => {
    const task = wanted.get(id);
    if (!task) throw new Error(`internal: no task ${id}`);
    const candidate = await answer(id, task, expert, options, stop);
    if (candidate === null) return;
    log.put(candidate);
    tokens += candidate.token_count;
    onProgress(progress());
  };
  try {
    const isStopped = await eachInWindow(log, order, expert.atOnce, signal, ask);
    return { ...progress(), written: log.numDone - begun, isStopped };
  } catch (error) {
    throw withKept(error, progress(), path);
  }
}

/** Of its key: prompt, sample, model and seed. */
export function candidateId(promptId: string, index: number, model: string, seed: number): string {
  const key = createHash("sha256")
    .update(JSON.stringify([model, seed]))
    .digest("hex")
    .slice(0, 12);
  return `${promptId}#${index}@${key}`;
}

/** @returns null if the signal came first */
async function answer(
  id: string,
  { prompt, index, system }: SampleTask,
  expert: Expert,
  options: SampleOptions,
  signal: AbortSignal,
): Promise<Candidate | null> {
  const seed = sampleSeed(options.seed, prompt.id, index);
  const { temperature, topP, maxTokens } = options;
  const messages = [
    ...(system === null ? [] : [{ role: "system", content: system }]),
    { role: "user", content: prompt.prompt },
  ];
  const question = { name: `prompt ${prompt.id}, sample ${index}`, messages, temperature, topP, maxTokens, seed };
  try {
    const { completion, finish_reason, token_count } = await expert.ask(question, signal);
    return {
      id,
      prompt_id: prompt.id,
      sample_index: index,
      model: expert.name,
      ...(system === null ? {} : { system }),
      temperature,
      seed,
      completion,
      finish_reason,
      token_count,
      reward: {},
      correct: null,
    };
  } catch (error) {
    if (signal.aborted) return null;
    throw error;
  }
}

/** Ids among those wanted that the log has. @throws RangeError if one was asked in another way, there or in the journal */
async function candidatesThere(
  path: string,
  wanted: ReadonlyMap<string, SampleTask>,
  { temperature }: SampleOptions,
): Promise<Set<string>> {
  const there = new Set<string>();
  for (const file of [path, journalOf(path)]) {
    for await (const { value, at } of readLog(file)) {
      const had = asCandidate(value, at);
      const task = wanted.get(had.id);
      if (!task) continue;
      if (had.temperature !== temperature || (had.system ?? null) !== task.system) {
        const isSame = had.temperature === temperature;
        const what = isSame ? "another system prompt" : `temperature ${had.temperature}, not ${temperature}`;
        throw new RangeError(`${at}: ${had.model} was asked this with ${what}; another --seed keeps the two apart`);
      }
      if (file === path) there.add(had.id);
    }
  }
  return there;
}

/** A failure, with what there is all the same. */
function withKept(error: unknown, { done, wanted }: SampleProgress, path: string): unknown {
  if (!(error instanceof Error)) return error;
  const kept = `${done} of ${wanted} answers are kept in ${path}; the same command goes on from there`;
  return new RangeError(`${error.message}\n${kept}`, { cause: error });
}

function checkOptions(tasks: readonly SampleTask[], { temperature }: SampleOptions): void {
  if (temperature === 0 && tasks.some(({ index }) => index > 0)) {
    throw new RangeError("temperature 0 writes the same each time; ask for one sample, or give a temperature");
  }
}

function journalOf(path: string): string {
  return path.replace(/\.jsonl$/, ".ahead.jsonl");
}
