/**
 * Several ranks within one process, for tests of what ranks compute and not of how they talk: each is an asynchronous function with a
 * communicator, and a collective waits until all have called it. Sums run in rank order, as over MPI. Messages from rank to rank are not
 * here.
 */
import type { Communicator, ReduceOp, Reducible } from "../../src/distributed/communicator.js";

/** Runs `body` once for each rank, all at once. @returns what each returned, in rank order */
export function runLocalRanks<T>(size: number, body: (world: Communicator) => Promise<T>): Promise<T[]> {
  const room = new Room(size);
  return Promise.all(Array.from({ length: size }, (_, rank) => body(new LocalRank(room, rank))));
}

/** Where the ranks of a group meet, one collective after the other. */
class Room {
  readonly size: number;
  /** Groups made of this one, by the call that made them and their color. */
  readonly groups = new Map<string, Room>();
  #given: unknown[] = [];
  #came = 0;
  #leave: ((all: readonly unknown[]) => void)[] = [];

  constructor(size: number) {
    this.size = size;
  }

  /** Everyone's values in rank order, once all have come. */
  async meet<T>(rank: number, value: T): Promise<readonly T[]> {
    const done = new Promise<readonly unknown[]>((resolve) => {
      this.#leave.push(resolve);
    });
    this.#given[rank] = value;
    if (++this.#came === this.size) {
      const [all, leave] = [this.#given, this.#leave];
      [this.#given, this.#leave, this.#came] = [[], [], 0];
      for (const resolve of leave) resolve(all);
    }
    return (await done) as readonly T[];
  }
}

class LocalRank implements Communicator {
  readonly rank: number;
  readonly size: number;
  readonly #room: Room;
  #splits = 0;

  constructor(room: Room, rank: number) {
    this.#room = room;
    this.rank = rank;
    this.size = room.size;
  }

  async split(color: number, key: number): Promise<Communicator> {
    const call = this.#splits++;
    const all = await this.#room.meet(this.rank, { color, key });
    const members = all
      .map((each, rank) => ({ ...each, rank }))
      .filter((each) => each.color === color)
      .sort((a, b) => a.key - b.key || a.rank - b.rank);
    const name = `${call}/${color}`;
    const room = this.#room.groups.get(name) ?? new Room(members.length);
    this.#room.groups.set(name, room);
    return new LocalRank(
      room,
      members.findIndex(({ rank }) => rank === this.rank),
    );
  }

  async barrier(): Promise<void> {
    await this.#room.meet(this.rank, null);
  }

  async broadcast(data: Uint8Array, root: number): Promise<void> {
    const all = await this.#room.meet(this.rank, data.slice());
    data.set(all[root] ?? data);
  }

  async allReduce(data: Reducible, op: ReduceOp): Promise<void> {
    const all = await this.#room.meet(this.rank, data.slice());
    all.forEach((part, rank) => {
      part.forEach((value, i) => {
        const sofar = data[i] ?? 0;
        data[i] = rank === 0 ? value : op === "sum" ? sofar + value : Math.max(sofar, value);
      });
    });
  }

  async reduceScatter(output: Float32Array, input: Float32Array): Promise<void> {
    const all = await this.#room.meet(this.rank, input.slice());
    const begin = this.rank * output.length;
    all.forEach((part, rank) => {
      for (let i = 0; i < output.length; i++) output[i] = (rank === 0 ? 0 : (output[i] ?? 0)) + (part[begin + i] ?? 0);
    });
  }

  async allGather(output: Uint8Array, input: Uint8Array): Promise<void> {
    const all = await this.#room.meet(this.rank, input.slice());
    all.forEach((part, rank) => {
      output.set(part, rank * input.length);
    });
  }

  allToAllV(): Promise<void> {
    throw new Error("internal: local ranks do not exchange tokens");
  }

  send(): Promise<void> {
    throw new Error("internal: local ranks send no messages");
  }

  receive(): Promise<void> {
    throw new Error("internal: local ranks send no messages");
  }

  abort(code: number): never {
    throw new Error(`rank ${this.rank} aborted with code ${code}`);
  }

  async close(): Promise<void> {}
}
