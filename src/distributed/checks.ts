/** Argument checks that every communicator makes before anything is sent: a wrong call fails on the rank that made it. */

/** @throws RangeError */
export function checkInteger(what: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${what} is ${value}, expected an integer from ${least} to ${most}`);
  }
}

/** @throws RangeError */
export function checkLength(what: string, expected: number, actual: number): void {
  if (expected !== actual) throw new RangeError(`${what}: ${actual} given where ${expected} are expected`);
}

/** @throws RangeError */
export function checkRank(operation: string, rank: number, size: number): void {
  if (!Number.isInteger(rank) || rank < 0 || rank >= size) {
    throw new RangeError(`${operation}: rank ${rank} in a group of ${size}`);
  }
}

/** Byte counts by rank that lie one after the other in an array of `available` bytes. @throws RangeError */
export function checkCounts(what: string, counts: readonly number[], size: number, available: number): void {
  checkLength(`${what}: entries`, size, counts.length);
  let total = 0;
  for (const count of counts) {
    checkInteger(what, count, 0, Number.MAX_SAFE_INTEGER);
    total += count;
  }
  if (total > available) throw new RangeError(`${what}: ${total} bytes in all, the array has ${available}`);
}

/** @throws RangeError */
export function checkSplit(color: number, key: number): void {
  checkInteger("split: color", color, 0, 2 ** 31 - 1);
  checkInteger("split: key", key, -(2 ** 31), 2 ** 31 - 1);
}

/** MPI promises tags up to 32,767 everywhere. @throws RangeError */
export function checkTag(operation: string, tag: number): void {
  checkInteger(`${operation}: tag`, tag, 0, 32_000);
}
