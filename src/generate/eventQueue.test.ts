import { expect, test } from "vitest";
import { EventQueue } from "./eventQueue.js";

async function read<T>(queue: EventQueue<T>, into: T[]): Promise<void> {
  for await (const item of queue) into.push(item);
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("items come in order, those from before and those that the reader waits for", async () => {
  const queue = new EventQueue<number>();
  queue.push(1);
  queue.push(2);
  const got: number[] = [];
  const reading = read(queue, got);
  await turn();
  expect(got).toEqual([1, 2]);
  queue.push(3);
  await turn();
  expect(got).toEqual([1, 2, 3]);
  queue.push(4);
  queue.end();
  await reading;
  expect(got).toEqual([1, 2, 3, 4]);
});

test("what is pushed while the reader holds an item is not lost", async () => {
  const queue = new EventQueue<number>();
  queue.push(1);
  const got: number[] = [];
  for await (const item of queue) {
    got.push(item);
    if (item < 4) queue.push(item + 1);
    else queue.end();
  }
  expect(got).toEqual([1, 2, 3, 4]);
});

test("a failure comes after the items before it, and the first one counts", async () => {
  const queue = new EventQueue<number>();
  queue.push(1);
  queue.fail(new Error("first"));
  queue.fail(new Error("second"));
  const got: number[] = [];
  await expect(read(queue, got)).rejects.toThrow("first");
  expect(got).toEqual([1]);
});

test("a reader that waits is told of the end and of a failure", async () => {
  const ended = new EventQueue<number>();
  const failed = new EventQueue<number>();
  const both = [read(ended, []), expect(read(failed, [])).rejects.toThrow("gone")];
  await turn();
  ended.end();
  failed.fail(new Error("gone"));
  await Promise.all(both);
});

test("a reader may leave in the middle", async () => {
  const queue = new EventQueue<number>();
  for (const item of [1, 2, 3]) queue.push(item);
  for await (const item of queue) if (item === 2) break;
  queue.push(4); // nobody reads it, and nothing happens
});
