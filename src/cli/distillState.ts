/** How a run of several stages was begun and how far it is: a JSON file, replaced whenever a stage is done. */
import { existsSync } from "node:fs";
import { writeFileAtomic } from "../files/atomic.js";
import { isObject, readJson } from "../files/json.js";

interface AnyState {
  readonly version: 1;
  readonly asked: object;
}

/**
 * @param given options of this command: they must be those of the beginning
 * @returns null where nothing was begun
 * @throws RangeError for another option than at the beginning, or a file that is none
 */
export function readState<T extends AnyState>(path: string, given: object): T | null {
  if (!existsSync(path)) return null;
  const value = readJson(path);
  if (!isObject(value) || value.version !== 1 || !isObject(value.asked)) {
    throw new RangeError(`${path}: not the state of a distillation of this version`);
  }
  for (const [name, now] of Object.entries(given)) {
    const before = value.asked[name];
    if (JSON.stringify(before) === JSON.stringify(now)) continue;
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    throw new RangeError(
      `${path}: ${flag} is ${JSON.stringify(now)}, at the beginning it was ${JSON.stringify(before) ?? "not given"}; begin in another directory`,
    );
  }
  return value as unknown as T;
}

export function writeState(path: string, state: AnyState): void {
  writeFileAtomic(path, `${JSON.stringify(state, null, 2)}\n`);
}
