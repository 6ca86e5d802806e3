/** Selected candidates as records to learn from: the question without the expert's system prompt, and the answer. post-training.md 2.2. */
import { writeFileAtomic } from "../../files/atomic.js";
import { LineReader } from "../ask/jsonLog.js";
import { asCandidate, type DistillPrompt, type SftRecord } from "./records.js";
import type { Selection } from "./select.js";

/** Replaces `target` by the records of a selection. @param path the log of candidates */
export function writeSelected(target: string, path: string, { selected }: Pick<Selection, "selected">): void {
  using reader = new LineReader(path);
  const lines = function* (): Generator<string> {
    for (const { prompt, place } of selected) {
      const { completion, reward, token_count } = asCandidate(reader.value(place), path);
      const meta = { prompt_id: prompt.id, form: "RS", reward, length: token_count } as const;
      yield `${JSON.stringify(sftRecord(prompt, null, completion, meta))}\n`;
    }
  };
  writeFileAtomic(target, lines());
}

export function sftRecord(
  { prompt }: Pick<DistillPrompt, "prompt">,
  system: string | null,
  answer: string,
  meta: SftRecord["meta"],
): SftRecord {
  return {
    messages: [
      ...(system === null ? [] : [{ role: "system", content: system }]),
      { role: "user", content: prompt },
      { role: "assistant", content: answer },
    ],
    meta,
  };
}
