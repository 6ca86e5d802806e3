/** `fathom eval --compare`: results files side by side. */
import type { Outcome } from "./output.js";

export async function compare(paths: readonly string[]): Promise<Outcome> {
  const { compareResults, comparisonTable } = await import("../eval/harness/compare.js");
  const { readResults } = await import("../eval/harness/results.js");
  const figures = compareResults(paths);
  const models = paths.map((path) => readResults(path).model_name);
  // Results of one model are told apart by their number.
  const names = models.map((name, i) =>
    models.indexOf(name) === models.lastIndexOf(name) ? name : `${name} (${i + 1})`,
  );
  return { result: { files: paths, figures }, text: comparisonTable(figures, names) };
}
