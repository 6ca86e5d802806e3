/** `report.json`: what each step of a working directory came to. Every step writes its own part and leaves the others as they are. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../../files/atomic.js";
import { isObject, readJson } from "../../files/json.js";
import type { PromptsReport } from "./collect.js";
import type { FormsReport } from "./forms.js";
import type { MixReport } from "./mix.js";
import type { PairsReport } from "./pairs.js";
import { files } from "./records.js";
import type { ReviewTally } from "./review.js";
import type { SelectionReport } from "./select.js";

export interface DistillReport {
  readonly version: 1;
  /** Null: the step has not been done. */
  readonly prompts: PromptsReport | null;
  readonly forms: FormsReport | null;
  readonly selection: SelectionReport | null;
  readonly pairs: PairsReport | null;
  readonly review: ReviewTally | null;
  readonly sft: MixReport | null;
}

const empty: DistillReport = {
  version: 1,
  prompts: null,
  forms: null,
  selection: null,
  pairs: null,
  review: null,
  sft: null,
};

/** @throws RangeError for a file that is none */
export function readReport(directory: string): DistillReport {
  const path = join(directory, files.report);
  if (!existsSync(path)) return empty;
  const value = readJson(path);
  if (!isObject(value) || value.version !== 1) throw new RangeError(`${path}: expected a report of version 1`);
  return { ...empty, ...(value as Partial<DistillReport>), version: 1 };
}

export function updateReport(directory: string, part: Partial<Omit<DistillReport, "version">>): DistillReport {
  const report = { ...readReport(directory), ...part };
  writeFileAtomic(join(directory, files.report), `${JSON.stringify(report, null, 2)}\n`);
  return report;
}
