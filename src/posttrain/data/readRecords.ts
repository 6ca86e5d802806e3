/**
 * Records of files, folders, patterns and registered data sets (dataset_info.json), one after the other: rows of whatever container, brought to
 * the one form by whatever format they are in. post-training.md 3.2.
 */
import { basename } from "node:path";
import { listFiles } from "../../data/sources.js";
import type { DataFormat } from "./choices.js";
import { registeredData } from "./datasetInfo.js";
import { detectFormat, readRecord } from "./formats.js";
import type { DataRecord } from "./records.js";
import { RowError } from "./row.js";
import { readRows } from "./rows.js";
import type { ShareGptTags } from "./shareGpt.js";
import type { FormatOptions } from "./trl.js";

export interface RecordOptions extends FormatOptions {
  /** Null: each file's own, as its first row shows. */
  readonly format: DataFormat | null;
  /** Which entries of a dataset_info.json among the paths. */
  readonly dataSets: readonly string[];
}

export const defaultRecordOptions: RecordOptions = {
  format: null,
  dataSets: [],
  allow: [],
  plainAs: "text",
  maskHistory: false,
};

/**
 * @param paths files, folders, patterns; or a dataset_info.json with `dataSets`
 * @param onBad told of each row that is no record; default: throws
 * @throws RangeError naming the file, for one that cannot be read or has no rows; RowError for a bad row unless `onBad` takes it
 */
export async function* readRecords(
  paths: readonly string[],
  options: RecordOptions,
  onBad?: (error: RowError) => void,
): AsyncGenerator<DataRecord> {
  for (const source of sourcesOf(paths, options)) {
    let numRows = 0;
    let format = source.format;
    const refused = (error: RowError): void => {
      numRows++;
      if (!onBad) throw error;
      onBad(error);
    };
    for await (const row of readRows(source.path, { names: source.names, onBad: refused })) {
      if (numRows === source.maxRows) break;
      let record: DataRecord;
      try {
        format ??= detectFormat(row);
        record = readRecord(row, format, options, source.tags);
      } catch (error) {
        if (!(error instanceof RowError)) throw error;
        refused(error);
        continue;
      }
      numRows++;
      yield record;
    }
    if (numRows === 0) throw new RangeError(`${source.path}: no rows; expected records`);
  }
}

interface Source {
  readonly path: string;
  readonly format: DataFormat | null;
  readonly names: Readonly<Record<string, string | null>>;
  readonly tags: ShareGptTags | undefined;
  readonly maxRows: number | null;
}

function sourcesOf(paths: readonly string[], { format, dataSets }: RecordOptions): Source[] {
  let isRegistry = false;
  const sources = paths.flatMap((path): Source[] => {
    if (basename(path) !== "dataset_info.json") {
      return listFiles([path]).map((file) => ({ path: file.path, format, names: {}, tags: undefined, maxRows: null }));
    }
    isRegistry = true;
    if (dataSets.length === 0) throw new RangeError(`${path}: give the names of the data sets in it to read`);
    if (format !== null) throw new RangeError(`${path}: its entries state their formats; leave ${format} out`);
    return dataSets.flatMap((name) => {
      const entry = registeredData(path, name);
      return listFiles([entry.path]).map((file) => ({ ...entry, path: file.path }));
    });
  });
  if (dataSets.length > 0 && !isRegistry) {
    throw new RangeError(`data sets ${dataSets.join(", ")}: expected a dataset_info.json among the files`);
  }
  return sources;
}
