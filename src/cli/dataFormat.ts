/** `--format`: the form of rows of conversations. */
import { type DataFormat, dataFormats } from "../posttrain/data/formats.js";

/** @throws RangeError for a name that is none */
export function checkedFormat(name: string | undefined): DataFormat | null {
  if (name === undefined) return null;
  const found = dataFormats.find((format) => format === name);
  if (!found) throw new RangeError(`--format must be one of ${dataFormats.join(", ")}, got ${name}`);
  return found;
}
