/**
 * The two samples that an expert is taught each problem by (DeepSeek-V3 report 5.1; post-training.md 2.2): A, the plain question with an ordinary,
 * concise answer; B, with a system prompt that asks to reflect and verify, and an answer that thinks first. The system prompt is the switch between
 * the two. What the report's said is not published; ours is below, short because a tiny model's context holds it and all that is thought.
 *
 * A generated problem has both answers itself. Of other prompts a teacher writes them: A is what it says when it is asked plainly, without its
 * thought; wrong answers are left out where a rule can tell.
 */
import { splitThought } from "../data/thoughts.js";
import { endingOf, formatProblem } from "./format.js";
import { problemOf } from "./problemPrompts.js";
import type { Candidate, DistillPrompt, SftRecord } from "./records.js";
import type { SampleTask } from "./sample.js";
import type { Verdict } from "./scoring.js";
import { sftRecord } from "./selected.js";

export const reflectionPrompt =
  "Think step by step between <think> and </think>, check the result in a second way, then answer.";

export type FormReason = "no answer" | `${"A" | "B"} ${"wrong" | "cut" | "malformed"}` | "B without a thought";

export interface FormsReport {
  readonly prompts: number;
  readonly A: number;
  readonly B: number;
  readonly dropped: Readonly<Partial<Record<FormReason, number>>>;
}

export interface Forms {
  readonly records: readonly SftRecord[];
  readonly dropped: readonly FormReason[];
}

/** Both forms of a generated problem. @throws RangeError for a prompt that is none */
export function problemForms(prompt: DistillPrompt, system: string): SftRecord[] {
  const problem = problemOf(prompt);
  if (!problem)
    throw new RangeError(`prompt ${prompt.id} (${prompt.source}) has no forms of its own: a teacher must write them`);
  const meta = { prompt_id: prompt.id, reward: null, length: null } as const;
  return [
    sftRecord(prompt, null, problem.solution, { ...meta, form: "A" }),
    sftRecord(prompt, system, problem.reasoned, { ...meta, form: "B" }),
  ];
}

/** What a teacher is asked: sample 0 of a prompt is for A, sample 1 for B. */
export function teacherTasks(prompts: readonly DistillPrompt[], system: string): SampleTask[] {
  return prompts.flatMap((prompt) => [
    { prompt, index: 0, system: null },
    { prompt, index: 1, system },
  ]);
}

/** Forms of what a teacher has answered. @param answers samples of the prompt, with what a rule says of each */
export function teacherForms(
  prompt: DistillPrompt,
  answers: readonly { readonly candidate: Candidate; readonly verdict: Verdict }[],
): Forms {
  const records: SftRecord[] = [];
  const dropped: FormReason[] = [];
  for (const [index, form] of (["A", "B"] as const).entries()) {
    const found = answers.find(({ candidate }) => candidate.sample_index === index);
    if (!found) {
      dropped.push("no answer");
      continue;
    }
    const { completion, finish_reason, token_count, system = null } = found.candidate;
    const { reward, correct } = found.verdict;
    const { thought, answer } = splitThought({ role: "assistant", content: completion });
    const reason: FormReason | null =
      correct === false
        ? `${form} wrong`
        : finish_reason === "length"
          ? `${form} cut`
          : formatProblem(completion, endingOf(prompt)) !== null
            ? `${form} malformed`
            : form === "B" && thought === null
              ? "B without a thought"
              : null;
    if (reason !== null) {
      dropped.push(reason);
      continue;
    }
    const text = form === "A" ? answer : completion;
    records.push(sftRecord(prompt, system, text, { prompt_id: prompt.id, form, reward, length: token_count }));
  }
  return { records, dropped };
}
