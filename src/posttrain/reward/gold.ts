/** The right answer in a row of a data set. */
import { lastBox } from "../../eval/answers/box.js";
import { extractGsm8k } from "../../eval/answers/extract.js";
import { type RewardSample, RowError } from "./reward.js";

/** Columns that are looked for, in this order. */
export const goldColumns: readonly string[] = ["answer", "gold", "solution"];

/**
 * The answer as text. What comes after GSM8K's `####` or in a box is the answer of a solution; anything else is taken as it is.
 * @param column null: the first of `answer`, `gold`, `solution` that the row has
 * @throws RowError if the row has no such column, or no text or number in it
 */
export function goldAnswer({ row }: Pick<RewardSample, "row">, column: string | null, rewardName: string): string {
  const name = column ?? goldColumns.find((one) => one in row) ?? null;
  const value = name === null ? undefined : row[name];
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return String(value);
  if (typeof value === "string") {
    const solved = value.includes("####") ? extractGsm8k(value) : value.includes("\\boxed") ? lastBox(value) : null;
    return solved ?? value;
  }
  const wanted = column ?? goldColumns.join(", ");
  const has = Object.keys(row).join(", ") || "none";
  throw new RowError(
    `reward ${rewardName}: a row needs a text or a number in column ${wanted}; its columns are: ${has}`,
  );
}
