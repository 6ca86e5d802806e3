/**
 * The arguments of one instruction of an IF-Eval row. Parquet gives every row all arguments of all instructions, null where an instruction
 * has no such argument; what an instruction needs must be there and of its kind, or the row is refused by name.
 */

export class InstructionArguments {
  constructor(
    private readonly instruction: string,
    private readonly values: Readonly<Record<string, unknown>>,
  ) {}

  text(name: string): string {
    const value = this.values[name];
    if (typeof value !== "string") throw this.refused(name, "a text", value);
    return value;
  }

  texts(name: string): readonly string[] {
    const value = this.values[name];
    if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) {
      throw this.refused(name, "a list of texts", value);
    }
    return value;
  }

  /** A whole number from 0; Parquet's integers may come as bigint or as a float. */
  count(name: string): number {
    const value = this.values[name];
    const number = typeof value === "bigint" ? Number(value) : value;
    if (typeof number !== "number" || !Number.isInteger(number) || number < 0) {
      throw this.refused(name, "a whole number from 0", value);
    }
    return number;
  }

  /** Whether `count` stands in the relation that the argument names to `bound`. */
  compares(relationName: string, count: number, bound: number): boolean {
    const relation = this.text(relationName);
    switch (relation) {
      case "less than":
        return count < bound;
      case "at least":
        return count >= bound;
      default:
        throw this.refused(relationName, '"less than" or "at least"', relation);
    }
  }

  private refused(name: string, expected: string, value: unknown): RangeError {
    const shown = typeof value === "bigint" ? String(value) : JSON.stringify(value);
    return new RangeError(`${this.instruction}: ${name} must be ${expected}, got ${shown}`);
  }
}
