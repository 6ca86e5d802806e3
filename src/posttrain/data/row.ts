/**
 * One row of a data file: fields are asked for by the name that the format gives them, and every complaint names file, row and field as the
 * file spells it, what was expected and what is there.
 */

/** A row that cannot be used. */
export class RowError extends RangeError {
  readonly path: string;
  readonly row: number;
  /** Null: the row as a whole. */
  readonly field: string | null;

  constructor(path: string, row: number, field: string | null, problem: string) {
    super(`${path}: row ${row}: ${field === null ? "" : `${field}: `}${problem}`);
    this.path = path;
    this.row = row;
    this.field = field;
  }
}

export class Row {
  readonly path: string;
  readonly number: number;
  readonly #fields: ReadonlyMap<string, unknown>;
  readonly #names: Readonly<Record<string, string | null>>;
  readonly #used = new Set<string>();
  readonly #unusedInside = new Set<string>();

  /** @param names what this file calls the fields of the format, where it differs; null: a field that is not to be read */
  constructor(path: string, number: number, fields: object, names: Readonly<Record<string, string | null>> = {}) {
    this.path = path;
    this.number = number;
    // A field that is null is as good as absent: tables have all columns in all rows.
    this.#fields = new Map(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined));
    this.#names = names;
  }

  /** Names of the fields that are there, as the file spells them. */
  get fieldNames(): readonly string[] {
    return [...this.#fields.keys()];
  }

  has(field: string): boolean {
    return this.#names[field] !== null && this.#fields.has(this.nameOf(field));
  }

  /** Undefined where there is none. */
  value(field: string): unknown {
    if (this.#names[field] === null) return undefined;
    this.#used.add(this.nameOf(field));
    return this.#fields.get(this.nameOf(field));
  }

  text(field: string): string {
    const value = this.value(field);
    return typeof value === "string" ? value : this.refuse(field, "a text", value);
  }

  /** Null where there is none. */
  optionalText(field: string): string | null {
    return this.has(field) ? this.text(field) : null;
  }

  list(field: string): readonly unknown[] {
    const value = this.value(field);
    if (Array.isArray(value)) return value;
    return this.refuse(field, "a list", value);
  }

  flag(field: string): boolean {
    const value = this.value(field);
    return typeof value === "boolean" ? value : this.refuse(field, "true or false", value);
  }

  /** Fields that nothing has asked for. */
  rest(): Record<string, unknown> {
    return Object.fromEntries([...this.#fields].filter(([name]) => !this.#used.has(name)));
  }

  /** Notes a field inside of one, which nothing reads. */
  noteUnused(field: string): void {
    this.#unusedInside.add(field);
  }

  get unusedInside(): readonly string[] {
    return [...this.#unusedInside];
  }

  /** What the file calls a field. */
  nameOf(field: string): string {
    return this.#names[field] ?? field;
  }

  /** @param field dotted below a field of the format: messages[2].role */
  fail(field: string | null, problem: string): never {
    const [, top = "", below = ""] = /^([^.[ ]*)(.*)$/s.exec(field ?? "") ?? [];
    throw new RowError(this.path, this.number, field === null ? null : this.nameOf(top) + below, problem);
  }

  refuse(field: string, expected: string, got: unknown): never {
    return this.fail(field, `expected ${expected}, got ${show(got)}`);
  }
}

/** A value in an error message. */
export function show(value: unknown): string {
  const text = JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? Number(inner) : inner));
  if (text === undefined) return "nothing";
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
