/**
 * Predictions and verdicts of SWE-bench. An instance is resolved when the patch applies and every test listed in FAIL_TO_PASS and
 * PASS_TO_PASS passes in the instance's container. Evaluation specification, 5.12. Containers are not run here: predictions are written for
 * the official runner, and its report is read back.
 */

export interface SweBenchPrediction {
  readonly instance_id: string;
  readonly model_name_or_path: string;
  /** A unified diff against the base commit; empty if the model gave none. */
  readonly model_patch: string;
}

/** Predictions as JSON lines, in the order given. @throws RangeError if an instance comes twice */
export function sweBenchPredictionLines(predictions: readonly SweBenchPrediction[]): string {
  const seen = new Set<string>();
  for (const { instance_id } of predictions) {
    if (seen.has(instance_id)) throw new RangeError(`SWE-bench predictions: ${instance_id} comes twice`);
    seen.add(instance_id);
  }
  return predictions
    .map(({ instance_id, model_name_or_path, model_patch }) =>
      JSON.stringify({ instance_id, model_name_or_path, model_patch }),
    )
    .map((line) => `${line}\n`)
    .join("");
}

/**
 * The patch in an answer: the last fenced block that is a unified diff, else the answer from the first diff header on.
 * @returns with a final line break; "" if there is no diff
 */
export function patchInAnswer(answer: string): string {
  const header = /^(?:diff --git |--- )\S/m;
  const fenced = [...answer.matchAll(/^```[\w-]*\n([\s\S]*?)^```\s*$/gm)].map(([, body = ""]) => body);
  const patch =
    fenced.findLast((body) => header.test(body)) ?? answer.slice(header.exec(answer)?.index ?? answer.length);
  return patch === "" ? "" : `${patch.trimEnd()}\n`;
}

/** Names of tests, which the data set stores as a JSON list inside a string. */
export function sweBenchTests(field: string, instanceId: string): string[] {
  let names: unknown;
  try {
    names = JSON.parse(field);
  } catch {
    names = null;
  }
  if (Array.isArray(names) && names.every((name) => typeof name === "string")) return names;
  throw new RangeError(`SWE-bench ${instanceId}: tests must be a JSON list of names, got ${field.slice(0, 80)}`);
}

/** Whether every listed test passed; a test that did not run has not passed. */
export function isResolved(
  passed: ReadonlySet<string>,
  failToPass: readonly string[],
  passToPass: readonly string[],
): boolean {
  return [...failToPass, ...passToPass].every((name) => passed.has(name));
}

/** The share of resolved instances by the official runner's report; instances it does not name are not resolved. */
export function resolvedShare(report: unknown, numInstances: number): number {
  const ids =
    typeof report === "object" && report !== null && "resolved_ids" in report ? report.resolved_ids : undefined;
  if (!Array.isArray(ids) || !ids.every((id) => typeof id === "string")) {
    throw new RangeError(
      "SWE-bench report: expected a JSON object with the list resolved_ids, as the official runner writes it",
    );
  }
  const resolved = new Set(ids).size;
  if (resolved > numInstances) {
    throw new RangeError(
      `SWE-bench report: ${resolved} resolved of ${numInstances} instances; a report of another set?`,
    );
  }
  return resolved / numInstances;
}
