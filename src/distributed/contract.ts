/**
 * What every communicator must do, as runnable checks: tests run them on the single communicator and under mpirun with several ranks.
 * Each member of `world` runs every case in order; a case throws on the rank that sees something wrong. Expected values are computed
 * here from the rank numbers alone, sums one rank after the other in the array's own type.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Communicator } from "./communicator.js";

export interface ContractCase {
  readonly name: string;
  run(world: Communicator): Promise<void>;
}

type Values = Float32Array | Float64Array | Int32Array;
type Maker = (length: number) => Values;

const kinds: readonly (readonly [string, Maker])[] = [
  ["f32", (length) => new Float32Array(length)],
  ["f64", (length) => new Float64Array(length)],
  ["i32", (length) => new Int32Array(length)],
];

/** Lengths on both sides of a cache line, of what is gathered whole, and of one block of pieces. */
const lengths = [0, 1, 7, 1023, 1025, 70_001];
const largeLength = 4_700_003;

/** Rank r's value i: of very different sizes, so that the order of a sum shows in its bits. */
function value(rank: number, i: number): number {
  const mixed = (Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(rank + 1, 0x85ebca6b)) >>> 0;
  return ((mixed % 20_011) - 10_005) * 2 ** (mixed % 17) * 1.1;
}

function fill(values: Values, rank: number): Values {
  for (let i = 0; i < values.length; i++) values[i] = value(rank, i);
  return values;
}

/** The sum over ranks 0..size-1, rounded (or wrapped) to the array's type after every addition. */
function sumInOrder(make: Maker, length: number, ranks: readonly number[], from = 0): Values {
  const total = make(length);
  const part = make(1);
  for (let i = 0; i < length; i++) {
    ranks.forEach((rank, index) => {
      part[0] = value(rank, from + i);
      total[i] = index === 0 ? part[0]! : total[i]! + part[0]!;
    });
  }
  return total;
}

function ranksOf(group: Communicator): number[] {
  return Array.from({ length: group.size }, (_, rank) => rank);
}

function bytesOf(values: Values): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function sameBits(actual: Values | Uint8Array, expected: Values | Uint8Array, what: string): void {
  const bits = (v: Values | Uint8Array): Buffer => Buffer.from(v.buffer, v.byteOffset, v.byteLength);
  if (bits(actual).equals(bits(expected))) return;
  const at = actual.findIndex((v: number, i: number) => !Object.is(v, expected[i]));
  assert.fail(`${what}: value ${at} is ${actual[at]}, expected ${expected[at]}`);
}

function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 101 + (i >> 8)) & 255);
}

export const contract: readonly ContractCase[] = [
  {
    name: "ranks count from 0 to size - 1",
    async run(world) {
      const all = new Int32Array(world.size);
      await world.allGather(bytesOf(all), bytesOf(Int32Array.of(world.rank)));
      assert.deepEqual([...all], ranksOf(world));
    },
  },
  {
    name: "nobody leaves a barrier before the last has come",
    async run(world) {
      await world.barrier();
      const started = performance.now();
      if (world.rank === world.size - 1) await sleep(150);
      await world.barrier();
      const waited = performance.now() - started;
      assert.ok(world.size === 1 || waited > 100, `rank ${world.rank} waited ${waited} ms`);
    },
  },
  {
    name: "broadcast gives everyone the root's bytes, whoever the root is",
    async run(world) {
      for (const root of ranksOf(world)) {
        for (const length of [0, 1, 4097, 100_003]) {
          const data = pattern(length, world.rank);
          await world.broadcast(data, root);
          sameBits(data, pattern(length, root), `${length} bytes from ${root}`);
        }
      }
    },
  },
  ...kinds.map(
    ([kind, make]): ContractCase => ({
      name: `allReduce sums ${kind} in rank order, to the bit, on every rank`,
      async run(world) {
        for (const length of kind === "f32" ? [...lengths, largeLength] : lengths) {
          const data = fill(make(length), world.rank);
          await world.allReduce(data, "sum");
          sameBits(data, sumInOrder(make, length, ranksOf(world)), `${length} values`);
        }
      },
    }),
  ),
  {
    name: "allReduce takes maxima, of negative values too, and NaN wins",
    async run(world) {
      for (const [kind, make] of kinds) {
        for (const length of lengths) {
          const data = fill(make(length), world.rank);
          const expected = make(length);
          const each = ranksOf(world).map((rank) => fill(make(length), rank));
          for (let i = 0; i < length; i++) expected[i] = Math.max(...each.map((values) => values[i]!));
          await world.allReduce(data, "max");
          sameBits(data, expected, `${length} ${kind}`);
        }
      }
      const data = Float64Array.of(
        world.rank === world.size - 1 ? Number.NaN : 1,
        -1 - world.rank,
        world.rank || Number.NaN,
      );
      await world.allReduce(data, "max");
      assert.deepEqual([...data], [Number.NaN, -1, Number.NaN]);
    },
  },
  {
    name: "reduceScatter gives each rank its part of the sum, in rank order",
    async run(world) {
      const make: Maker = (length) => new Float32Array(length);
      for (const length of [0, 1, 5, 1031, Math.ceil(largeLength / world.size)]) {
        const input = new Float32Array(length * world.size);
        fill(input, world.rank);
        const output = new Float32Array(length);
        const expected = sumInOrder(make, length, ranksOf(world), world.rank * length);
        await world.reduceScatter(output, input);
        sameBits(output, expected, `${length} values`);
        const own = input.subarray(world.rank * length, (world.rank + 1) * length);
        await world.reduceScatter(own, input);
        sameBits(own, expected, `${length} values in place`);
      }
    },
  },
  {
    name: "allGather puts everyone's bytes in rank order",
    async run(world) {
      for (const length of [0, 1, 333, 65_537]) {
        const output = new Uint8Array(length * world.size);
        await world.allGather(output, pattern(length, world.rank));
        const expected = Buffer.concat(ranksOf(world).map((rank) => pattern(length, rank)));
        sameBits(output, expected, `${length} bytes`);
      }
    },
  },
  {
    name: "allToAllV delivers ragged pieces, empty ones too",
    async run(world) {
      const { rank, size } = world;
      const count = (from: number, to: number): number => ((from * 3 + to * 5) % 4) * 701;
      for (const scale of [1, 40]) {
        const sent = ranksOf(world).map((to) => count(rank, to) * scale);
        const received = ranksOf(world).map((from) => count(from, rank) * scale);
        const input = Buffer.concat(sent.map((bytes, to) => pattern(bytes, rank * size + to)));
        const expected = Buffer.concat(received.map((bytes, from) => pattern(bytes, from * size + rank)));
        const output = new Uint8Array(expected.length);
        await world.allToAllV(output, received, input, sent);
        sameBits(output, expected, `scale ${scale}`);
      }
    },
  },
  {
    name: "views are used in place and their neighbours stay as they were",
    async run(world) {
      const block = new Float32Array(12).fill(-1);
      const middle = block.subarray(3, 9);
      fill(middle, world.rank);
      await world.allReduce(middle, "sum");
      const expected = sumInOrder((length) => new Float32Array(length), 6, ranksOf(world));
      assert.deepEqual([...block], [-1, -1, -1, ...expected, -1, -1, -1]);
    },
  },
  {
    name: "split groups ranks of one color, ordered by key",
    async run(world) {
      const color = world.rank % 2;
      const group = await world.split(color, -world.rank);
      const members = ranksOf(world).filter((rank) => rank % 2 === color);
      assert.equal(group.size, members.length);
      assert.equal(group.rank, members.length - 1 - members.indexOf(world.rank));
      const all = new Int32Array(group.size);
      await group.allGather(bytesOf(all), bytesOf(Int32Array.of(world.rank)));
      assert.deepEqual([...all], members.toReversed());
      const data = fill(new Float32Array(2000), world.rank) as Float32Array;
      await group.allReduce(data, "sum");
      sameBits(
        data,
        sumInOrder((length) => new Float32Array(length), 2000, members.toReversed()),
        "the group's sum",
      );
      const alone = await group.split(group.rank, 0);
      assert.equal(alone.size, 1);
      await alone.barrier();
      await alone.close();
      await group.close();
    },
  },
  {
    name: "messages run in a ring, large ones in both directions at once, tags kept apart",
    async run(world) {
      const { rank, size } = world;
      const right = (rank + 1) % size;
      const left = (rank + size - 1) % size;
      const length = 1_000_003;
      const [a, b, c] = [new Uint8Array(length), new Uint8Array(5), new Uint8Array(length)];
      await Promise.all([
        world.send(pattern(length, rank), right, 7),
        world.send(pattern(5, rank + 50), right, 8),
        world.send(pattern(length, rank + 90), left, 9),
        world.receive(b, left, 8),
        world.receive(a, left, 7),
        world.receive(c, right, 9),
      ]);
      sameBits(a, pattern(length, left), "tag 7");
      sameBits(b, pattern(5, left + 50), "tag 8");
      sameBits(c, pattern(length, right + 90), "tag 9");
    },
  },
  {
    name: "messages of one sender and tag arrive in order; one of another length is refused and the next is whole",
    async run(world) {
      const right = (world.rank + 1) % world.size;
      const left = (world.rank + world.size - 1) % world.size;
      const sent = [20, 7, 33].map((length, i) => world.send(pattern(length, world.rank + i), right, 3));
      const first = new Uint8Array(20);
      const last = new Uint8Array(33);
      const received = [
        world.receive(first, left, 3),
        assert.rejects(world.receive(new Uint8Array(8), left, 3), RangeError),
        world.receive(last, left, 3),
      ];
      await Promise.all([...sent, ...received]);
      sameBits(first, pattern(20, left), "the first");
      sameBits(last, pattern(33, left + 2), "the last");
    },
  },
  {
    name: "messages travel while a collective waits",
    async run(world) {
      const data = new Uint8Array(200_000);
      const meeting = world.rank === 0 ? world.barrier() : undefined;
      const sends = world.rank === 0 ? ranksOf(world).map((to) => world.send(pattern(data.length, to), to, 1)) : [];
      await world.receive(data, 0, 1);
      sameBits(data, pattern(data.length, world.rank), "the message");
      await Promise.all([...sends, meeting ?? world.barrier()]);
    },
  },
  {
    name: "many operations asked for at once run in their order",
    async run(world) {
      const group = await world.split(0, world.rank);
      const all = Array.from({ length: 40 }, (_, i) => Float32Array.of(i + world.rank / 4));
      await Promise.all(all.map((data, i) => (i % 3 === 0 ? group : world).allReduce(data, "sum")));
      const { size } = world;
      assert.deepEqual(
        all.map((data) => data[0]),
        all.map((_, i) => i * size + (size * (size - 1)) / 8),
      );
      await group.close();
    },
  },
  {
    name: "wrong calls fail on the rank that made them, with a RangeError",
    async run(world) {
      const { size } = world;
      const four = new Uint8Array(4);
      const counts = new Array<number>(size).fill(0);
      const wrong: readonly (() => Promise<unknown>)[] = [
        () => world.broadcast(four, size),
        () => world.broadcast(four, -1),
        () => world.reduceScatter(new Float32Array(3), new Float32Array(3 * size + 1)),
        () => world.allGather(new Uint8Array(size * 4 + 1), four),
        () => world.allToAllV(four, [...counts, 0], four, counts),
        () => world.allToAllV(four, counts.with(0, 5), four, counts.with(0, 5)),
        () => world.allToAllV(four, counts.with(0, -1), four, counts),
        () => world.send(four, size, 0),
        () => world.send(four, 0, -1),
        () => world.receive(four, 0, 0.5),
        () => world.split(-1, 0),
      ];
      for (const call of wrong) await assert.rejects(call, RangeError);
      await world.barrier();
    },
  },
];
