import { expect, test } from "vitest";
import { chooseShots } from "./shots.js";

const docs = Array.from({ length: 10 }, (_, i) => ({ i }));
const numbers = (sampler: "default" | "first_n", count: number, docId: number, seed: number): number[] =>
  chooseShots({ docs, sampler }, count, docs[docId] ?? {}, docId, seed).map(({ i }) => Number(i));

test("first_n takes the first, but never the evaluated document", () => {
  expect(numbers("first_n", 3, 9, 0)).toEqual([0, 1, 2]);
  expect(numbers("first_n", 3, 1, 0)).toEqual([0, 2, 3]);
});

test("the usual sampler draws without repetition, and without the evaluated document, as many as there are", () => {
  for (let docId = 0; docId < 10; docId++) {
    const drawn = numbers("default", 9, docId, 7);
    expect(drawn).not.toContain(docId);
    expect(new Set(drawn).size).toBe(9);
  }
});

test("a draw depends on seed and document alone, and fewer shots are the beginning of more", () => {
  expect(numbers("default", 4, 3, 7)).toEqual(numbers("default", 4, 3, 7));
  expect(numbers("default", 6, 3, 7).slice(0, 4)).toEqual(numbers("default", 4, 3, 7));
  expect(numbers("default", 4, 3, 7)).not.toEqual(numbers("default", 4, 3, 8));
  expect(numbers("default", 4, 3, 7)).not.toEqual(numbers("default", 4, 4, 7));
});

test("every document is drawn about as often as any other", () => {
  const counts = new Array<number>(10).fill(0);
  const pool = { docs, sampler: "default" } as const;
  for (let docId = 0; docId < 4000; docId++) {
    for (const { i } of chooseShots(pool, 3, {}, docId, 1)) counts[Number(i)] = (counts[Number(i)] ?? 0) + 1;
  }
  // 1,200 each, deviation 29: within five of them.
  for (const count of counts) expect(Math.abs(count - 1200)).toBeLessThan(145);
});

test("a pool that is too small is refused", () => {
  expect(() => numbers("default", 10, 2, 0)).toThrow("10 shots are wanted, their split has 10 documents");
  expect(chooseShots({ docs: [], sampler: "default" }, 0, {}, 0, 0)).toEqual([]);
});
