/** Why a model answers nothing, as errors: something of its own, or the files of its weights, which is the machine's doing and has a code. */
import type { Model } from "./request.js";

/** The files of a model that is open were cut short or cannot be read any more. @param damage which and how */
export function damagedFiles(damage: string): Error {
  return Object.assign(new Error(damage), { code: "FATHOM_DAMAGED" });
}

/** For a choice that finished with reason "error". @param error of the finish event */
export function modelFailure({ damage }: Pick<Model, "damage">, error: string | null): Error {
  if (damage !== null) return damagedFiles(damage);
  return new Error(`the model failed: ${error ?? "no reason given"}`);
}
