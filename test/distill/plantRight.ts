/** What a model that has learned something would have sampled, where a test has none. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { problemOf } from "../../src/posttrain/distill/problemPrompts.js";
import { readPrompts } from "../../src/posttrain/distill/records.js";

/** Puts right answers among the candidates, as a better model would have given them: every second one. */
export function plantRight(directory: string): void {
  const asked = new Map(readPrompts(join(directory, "prompts.jsonl")).map((prompt) => [prompt.id, prompt]));
  const path = join(directory, "candidates.jsonl");
  const right = readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => {
      const candidate = JSON.parse(line) as { prompt_id: string; sample_index: number };
      const wrong = { ...candidate, finish_reason: "stop" };
      if (candidate.sample_index % 2 > 0) return JSON.stringify(wrong);
      const prompt = asked.get(candidate.prompt_id);
      const completion = (prompt && problemOf(prompt)?.solution) ?? "";
      return JSON.stringify({ ...wrong, completion, token_count: completion.length });
    });
  writeFileSync(path, `${right.join("\n")}\n`);
}
