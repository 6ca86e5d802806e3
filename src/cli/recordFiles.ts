/** What a stage's run directory says of the files it learned from, and of how it did. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { listFiles } from "../data/sources.js";
import type { EvaluationEvent, ValidationEvent } from "../train/events.js";
import { type RunRecord, readEvents } from "../train/runFiles.js";

/** The files behind paths and patterns, each with its hash. */
export function filesOf(paths: readonly string[]): NonNullable<RunRecord["records"]> {
  return listFiles(paths).map(({ path }) => {
    const content = readFileSync(path);
    return { path, bytes: content.length, sha256: createHash("sha256").update(content).digest("hex") };
  });
}

/** The newest measurement of a stage on tasks; null if there was none. */
export function lastEvaluation(run: string, stage: string): EvaluationEvent | null {
  const events = readEvents(run).filter(
    (event): event is EvaluationEvent => event.kind === "evaluation" && event.stage === stage,
  );
  return events.at(-1) ?? null;
}

/** The newest validation of a stage; null if there was none. */
export function lastValidation(run: string, stage: string): ValidationEvent | null {
  const events = readEvents(run).filter(
    (event): event is ValidationEvent => event.kind === "validation" && event.stage === stage,
  );
  return events.at(-1) ?? null;
}
