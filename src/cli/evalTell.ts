/** What `fathom eval` tells people on the way and at the end. */
import type { EvalModel } from "../eval/harness/evalModel.js";
import type { Progress, TaskOutcome } from "../eval/harness/evaluate.js";
import type { PlannedTask } from "../eval/harness/plan.js";
import { promptText } from "../eval/harness/prompt.js";
import type { EvalFlags } from "./evalOptions.js";
import { grouped, say } from "./output.js";

/** @param shows the model that is to read the prompts; null: none is shown */
export function tellPlan(planned: readonly PlannedTask[], shows: EvalModel | null): void {
  for (const { task, docs, total } of planned) {
    const requests = docs.reduce((sum, doc) => sum + doc.requests.length, 0);
    const part = docs.length < total ? ` of ${grouped(total)}` : "";
    say(
      `${task.name}: ${grouped(docs.length)}${part} documents, ${task.numFewshot} shots, ${grouped(requests)} requests`,
    );
    const [first] = docs;
    const [request] = first?.requests ?? [];
    if (!shows || !request || !first) continue;
    say(`--- ${task.name}, document ${first.docId}`);
    say(shows.promptAsRead(request) ?? (request.kind === "rolling" ? request.text : promptText(request.prompt)));
    const continuations = first.requests.flatMap((each) => (each.kind === "loglikelihood" ? [each.continuation] : []));
    if (continuations.length > 0) say(`--- scored: ${JSON.stringify(continuations)}`);
    say(`--- target: ${JSON.stringify(first.target)}`);
  }
}

/** A line a second at most, and the last of each stage. */
export function progressLine(): (progress: Progress) => void {
  let told = performance.now();
  const begun = performance.now();
  return ({ stage, done, total, cached }) => {
    const now = performance.now();
    const isEnd = done === total;
    if (total === 0 || (now - told < 1000 && !(isEnd && stage === "answering"))) return;
    told = now;
    const rate = (done - cached) / ((now - begun) / 1000);
    const left = rate > 0 && !isEnd ? `, ${duration((total - done) / rate)} left` : "";
    const known = cached > 0 ? ` (${grouped(cached)} were known)` : "";
    say(`${stage}: ${grouped(done)} of ${grouped(total)}${known}, ${rate.toFixed(1)} a second${left}`);
  };
}

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}

/** What a reader of the figures must know. */
export function warnings(
  tasks: readonly TaskOutcome[],
  leftOut: Readonly<Record<string, string>>,
  flags: EvalFlags,
): string[] {
  const lines = Object.entries(leftOut).map(([task, reason]) => `warning: ${task} was left out: ${reason}`);
  const partly = tasks.filter(({ docs, total }) => docs.length < total).map(({ task }) => task.name);
  if (partly.length > 0) {
    lines.push(
      `warning: only a part of the documents was evaluated (${list(partly)}): figures for trying, not for reporting`,
    );
  }
  const many = (share: number | null): boolean => share !== null && share > 0.01;
  const truncated = tasks.filter(({ health }) => many(health.truncated)).map(({ task }) => task.name);
  if (truncated.length > 0) {
    lines.push(`warning: answers were cut off by max_gen_toks (${list(truncated)}); give more with --gen-kwargs`);
  }
  const cut = tasks.filter(({ health }) => many(health.cut)).map(({ task }) => task.name);
  if (cut.length > 0)
    lines.push(`warning: prompts lost their beginning, being longer than the model's context (${list(cut)})`);
  const formats = new Set(tasks.flatMap(({ task }) => (task.file.published ? [task.file.format] : [])));
  if (formats.size > 0 && !flags.predictOnly) {
    lines.push(
      "published: DeepSeek-V3's own figure, from an internal harness with other prompts; a few points apart is expected",
    );
  }
  return lines;
}

function list(names: readonly string[]): string {
  return names.length <= 4 ? names.join(", ") : `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`;
}
