/**
 * CSV (RFC 4180): the first record names the columns; a cell in quotes may hold commas, line ends and doubled quotes. Read character by character
 * as the bytes come.
 */

export interface CsvRecord {
  /** From 1, the header not counted. */
  readonly number: number;
  readonly fields: Readonly<Record<string, string>>;
  /** What is wrong with the record, whose fields then are none. */
  readonly problem: string | null;
}

/** @throws RangeError naming the file for a bad header, invalid UTF-8, or a quote without an end */
export async function* csvRecords(path: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<CsvRecord> {
  let header: readonly string[] | null = null;
  let number = 0;
  for await (const cells of csvCells(path, chunks)) {
    if (header === null) {
      header = cells;
      const repeated = header.find((name, i) => header?.indexOf(name) !== i);
      if (repeated !== undefined) throw new RangeError(`${path}: the header names ${JSON.stringify(repeated)} twice`);
      if (header.includes("")) throw new RangeError(`${path}: the header has a column without a name`);
      continue;
    }
    number++;
    const isWhole = cells.length === header.length;
    yield {
      number,
      fields: isWhole ? Object.fromEntries(header.map((name, i) => [name, cells[i] ?? ""])) : {},
      problem: isWhole ? null : `expected ${header.length} cells as in the header, got ${cells.length}`,
    };
  }
}

/** Cells of each record; blank lines are none. */
async function* csvCells(path: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string[]> {
  let cells: string[] = [];
  let cell = "";
  let state: "start" | "bare" | "quoted" | "closed" = "start";
  let line = 1;
  let quotedFrom = 0;
  const endCell = (): void => {
    cells.push(cell);
    cell = "";
    state = "start";
  };
  for await (const text of textOf(path, chunks)) {
    for (const character of text) {
      if (character === "\n") line++;
      if (state === "quoted") {
        if (character === '"') state = "closed";
        else cell += character;
      } else if (character === '"') {
        if (state === "bare")
          throw new RangeError(`${path}:${line}: a quote within a cell that does not begin with one`);
        if (state === "closed") cell += character;
        else quotedFrom = line;
        state = "quoted";
      } else if (character === ",") endCell();
      else if (character === "\n") {
        if (state !== "closed" && cell.endsWith("\r")) cell = cell.slice(0, -1);
        const isBlank = cells.length === 0 && cell === "" && state !== "closed";
        endCell();
        if (!isBlank) yield cells;
        cells = [];
      } else if (state !== "closed") {
        cell += character;
        state = "bare";
      } else if (character !== "\r") {
        throw new RangeError(`${path}:${line}: expected a comma or the line's end behind a closing quote`);
      }
    }
  }
  if (state === "quoted") throw new RangeError(`${path}:${quotedFrom}: the quote has no end`);
  if (cells.length > 0 || cell !== "" || state === "closed") {
    endCell();
    yield cells;
  }
}

async function* textOf(path: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    for await (const chunk of chunks) yield decoder.decode(chunk, { stream: true });
    yield decoder.decode();
  } catch (error) {
    if (error instanceof TypeError) throw new RangeError(`${path}: invalid UTF-8`);
    throw error;
  }
}
