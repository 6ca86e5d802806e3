/**
 * Which ranks do what. World = data-parallel replicas x expert-parallel ranks: every rank reads its own tokens and holds all dense
 * parameters; the experts are dealt out over `expertParallel` neighbouring ranks, and ranks a whole number of such groups apart hold the
 * same ones. Neighbours form the expert group because they exchange most and sit on one machine. spec: infrastructure 5.1.
 *
 * Example, 4 ranks, expertParallel 2: expert groups {0,1} and {2,3}; experts are replicated over {0,2} and {1,3}.
 */
import type { Communicator } from "./communicator.js";

export interface ProcessGrid {
  readonly world: Communicator;
  /** Ranks that hold the same dense parameters: all of them. */
  readonly dense: Communicator;
  /** Ranks that hold the same experts: size / expertParallel of them. */
  readonly experts: Communicator;
  /** Ranks that together hold every expert once, and send tokens to each other: expertParallel of them. */
  readonly expertGroup: Communicator;
  readonly expertParallel: number;
}

/** Called by every rank. @throws RangeError unless expertParallel divides the number of ranks */
export async function createGrid(world: Communicator, expertParallel = 1): Promise<ProcessGrid> {
  if (!Number.isInteger(expertParallel) || expertParallel < 1 || world.size % expertParallel !== 0) {
    throw new RangeError(
      `expertParallel is ${expertParallel}, expected a divisor of the number of processes (${world.size})`,
    );
  }
  const expertGroup = await world.split(Math.floor(world.rank / expertParallel), world.rank);
  const experts = await world.split(world.rank % expertParallel, world.rank);
  return { world, dense: world, experts, expertGroup, expertParallel };
}

/** The experts [start, end) that this rank holds. @throws RangeError unless the expert group divides their number */
export function expertRange(grid: ProcessGrid, numExperts: number): { readonly start: number; readonly end: number } {
  const { rank, size } = grid.expertGroup;
  if (!Number.isInteger(numExperts) || numExperts < 1 || numExperts % size !== 0) {
    throw new RangeError(`${numExperts} experts cannot be dealt out evenly over ${size} processes`);
  }
  const count = numExperts / size;
  return { start: rank * count, end: (rank + 1) * count };
}
