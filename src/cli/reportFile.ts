/** Writes a run's report from what the run left: run.json, metrics.jsonl and the held-out documents. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { manifestName, PreparedData } from "../data/preparedData.js";
import { type CompressorResult, compressorBitsPerByte } from "../eval/compressors.js";
import { writeFileAtomic } from "../files/atomic.js";
import { isObject } from "../files/json.js";
import { type LaterStage, renderReport } from "../report/report.js";
import type { TrainEvent } from "../train/events.js";
import { type RunRecord, readEvents, readRunRecord, runFile } from "../train/runFiles.js";
import { grouped } from "./output.js";

/**
 * @param compressors bits per byte of the same held-out documents; may be empty
 * @param out where to write; null = report.html in the run
 * @param later runs that went on from this one, to show behind it
 * @returns the report's path
 * @throws RangeError if there is no run, or `out` is a folder
 */
export function writeRunReport(
  run: string,
  compressors: readonly CompressorResult[],
  out: string | null = null,
  later: readonly string[] = [],
): string {
  const path = out ?? join(run, "report.html");
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    throw new RangeError(`${path}: expected a file to write the report to, found a folder`);
  }
  const stages = later.map((folder): LaterStage => {
    const { record, ...stage } = describe(folder);
    return { ...stage, heading: record.stage };
  });
  const { facts, events } = describe(run);
  writeFileAtomic(path, renderReport({ title: `Fathom: ${run}`, facts, events, compressors, later: stages }));
  return path;
}

function describe(run: string): {
  readonly record: RunRecord;
  readonly facts: (readonly [string, string])[];
  readonly events: readonly TrainEvent[];
} {
  const record = recordOf(run);
  // A line that is JSON but no event (a file edited by hand) is passed over as a torn one is.
  const events = readEvents(run).filter((event) => isObject(event));
  const start = events.findLast((event) => event.kind === "start");
  const last = events.findLast((event) => event.kind === "step");
  const { validation } = record;
  const facts: (readonly [string, string])[] = [
    ["run", run],
    ["stage", record.stage],
    ["started", record.startedAt.replace("T", " ").replace(/\.\d+Z$/, " UTC")],
    ...(start
      ? [
          [
            "parameters",
            `${grouped(start.parameters.total)}, of which a token uses ${grouped(start.parameters.activated)}`,
          ] as const,
        ]
      : []),
    ["trained on", last ? `${grouped(last.tokens)} tokens in ${grouped(last.step)} steps` : "nothing yet"],
    ...(last && last.tokens < last.totalTokens
      ? [["to do", `${grouped(last.totalTokens - last.tokens)} tokens of ${grouped(last.totalTokens)}`] as const]
      : []),
    ...(record.base === undefined ? [] : [["began from", record.base] as const]),
    ...(validation
      ? [["held out", `${grouped(validation.documents)} documents, ${grouped(validation.bytes)} bytes`] as const]
      : []),
  ];
  return { record, facts, events };
}

/**
 * What general compressors need for the held-out documents of a run.
 * @returns no figures and the reason in `missing`, if the prepared data is not (or no longer) there
 * @throws RangeError if there is no run
 */
export function heldOutCompressors(run: string): {
  readonly compressors: readonly CompressorResult[];
  readonly missing: string | null;
} {
  recordOf(run);
  const folder = join(run, "data");
  if (!existsSync(join(folder, manifestName))) return { compressors: [], missing: `${folder} holds no prepared data` };
  using data = new PreparedData(folder);
  const documents = data.validationDocuments().map(({ content }) => content);
  if (documents.length === 0) return { compressors: [], missing: `${folder} holds no held-out documents` };
  return { compressors: compressorBitsPerByte(documents), missing: null };
}

function recordOf(run: string): RunRecord {
  const record = readRunRecord(run);
  if (record) return record;
  throw new RangeError(existsSync(run) ? `${run}: not a run: no ${runFile} in it` : `${run}: no such directory`);
}
