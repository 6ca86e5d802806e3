/** Writes a run's report.html from what the run left. */
import { join } from "node:path";
import { writeFileAtomic } from "../files/atomic.js";
import { renderReport } from "../report/report.js";
import { readEvents, readRunRecord } from "../train/runFiles.js";
import { grouped } from "./output.js";

/** @returns the report's path @throws RangeError if there is no run */
export function writeRunReport(
  run: string,
  compressors: readonly { readonly name: string; readonly bitsPerByte: number }[],
): string {
  const record = readRunRecord(run);
  if (!record) throw new RangeError(`${run}: no run here`);
  const events = readEvents(run);
  const start = events.find((event) => event.kind === "start");
  const last = events.filter((event) => event.kind === "step").at(-1);
  const facts: (readonly [string, string])[] = [
    ["run", run],
    ["started", record.startedAt],
    ["parameters", start ? `${grouped(start.parameters.total)}, ${grouped(start.parameters.activated)} a token` : ""],
    ["trained on", last ? `${grouped(last.tokens)} tokens in ${grouped(last.step)} steps` : "nothing yet"],
    ["held out", `${grouped(record.validation.documents)} documents, ${grouped(record.validation.bytes)} bytes`],
    ...compressors.map(({ name, bitsPerByte }): readonly [string, string] => [
      name,
      `${bitsPerByte.toFixed(4)} bits per byte`,
    ]),
  ];
  const path = join(run, "report.html");
  writeFileAtomic(path, renderReport({ title: `Fathom: ${run}`, facts, events, compressors }));
  return path;
}
