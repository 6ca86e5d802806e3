/** Comma-separated values (RFC 4180) with a header line: quoted fields may hold separators, line ends and doubled quotes. */

/** @throws RangeError naming file and line for a field that does not end, text behind a closing quote, or a row of other length */
export function parseCsv(text: string, separator: "," | "\t", file: string): Record<string, string>[] {
  const [header, ...rows] = readRows(text.replace(/^\ufeff/, ""), separator, file);
  if (!header) return [];
  return rows.map(({ fields, line }) => {
    if (fields.length === header.fields.length) {
      return Object.fromEntries(header.fields.map((name, i) => [name, fields[i] ?? ""]));
    }
    throw new RangeError(`${file}:${line}: ${fields.length} fields, the header names ${header.fields.length}`);
  });
}

interface Row {
  readonly fields: readonly string[];
  /** Where it begins, from 1. */
  readonly line: number;
}

function readRows(text: string, separator: string, file: string): Row[] {
  const rows: Row[] = [];
  let fields: string[] = [];
  let line = 1;
  let begin = 1;
  let at = 0;
  const endRow = (): void => {
    // A line without anything is none.
    if (fields.length > 1 || fields[0] !== "") rows.push({ fields, line: begin });
    fields = [];
    begin = line;
  };
  while (at <= text.length) {
    let field = "";
    if (text[at] === '"') {
      const opened = line;
      for (at++; ; at++) {
        const char = text[at];
        if (char === undefined) throw new RangeError(`${file}:${opened}: a quoted field does not end`);
        if (char === '"' && text[at + 1] === '"') at++;
        else if (char === '"') break;
        if (char === "\n") line++;
        field += char;
      }
      at++;
    } else {
      const from = at;
      while (at < text.length && text[at] !== separator && text[at] !== "\n" && text[at] !== "\r") at++;
      field = text.slice(from, at);
    }
    fields.push(field);
    const end = text[at];
    if (end === separator) at++;
    else if (end === undefined) break;
    else if (end === "\n" || end === "\r") {
      at += text.startsWith("\r\n", at) ? 2 : 1;
      line++;
      endRow();
      if (at === text.length) return rows;
    } else throw new RangeError(`${file}:${line}: ${JSON.stringify(end)} behind a closing quote`);
  }
  endRow();
  return rows;
}
