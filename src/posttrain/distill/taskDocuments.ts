/** The documents of every benchmark whose data set is on this machine; the others are passed over, for nobody can evaluate on them here. */
import type { Datasets } from "../../eval/harness/datasets.js";
import { evaluatedSplit } from "../../eval/harness/plan.js";
import type { TaskFile } from "../../eval/taskFile.js";
import type { EvaluationDocument } from "./contamination.js";
import { textsIn } from "./evaluationFiles.js";

/**
 * Rows of the split that each task is evaluated on, with all their texts: not as the task asks them, for its own words would be met as well.
 * @throws RangeError for a data set that is there and cannot be read
 */
export async function* taskDocuments(
  tasks: readonly TaskFile[],
  datasets: Pick<Datasets, "has" | "rows">,
): AsyncGenerator<EvaluationDocument> {
  for (const file of tasks) {
    const { task, dataset } = file;
    if (dataset === null) continue;
    const split = evaluatedSplit(file);
    if (!datasets.has(dataset, split, task)) continue;
    const { rows } = await datasets.rows(dataset, split, task);
    for (const [i, row] of rows.entries()) yield { source: `${task}: document ${i}`, texts: textsIn(row) };
  }
}
