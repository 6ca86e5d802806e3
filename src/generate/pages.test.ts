import { expect, test } from "vitest";
import { PagePool, pageSize, pagesFor, prefixKeys } from "./pages.js";

const ids = (length: number, first = 0): Int32Array => Int32Array.from({ length }, (_, i) => (i === 0 ? first : i));

test("pages are counted up to the last token", () => {
  expect([0, 1, 64, 65, 128].map(pagesFor)).toEqual([0, 1, 1, 2, 2]);
});

test("a prompt has a key for each whole page, which depends on all tokens before and on the salt", () => {
  expect(pageSize).toBe(64);
  expect(prefixKeys(ids(63), "")).toEqual([]);
  const keys = prefixKeys(ids(200), "");
  expect(new Set(keys).size).toBe(3);
  expect(prefixKeys(ids(130), "")).toEqual(keys.slice(0, 2));
  expect(prefixKeys(ids(64 * 3).subarray(0, 128), "")).toEqual(keys.slice(0, 2)); // a view is what it shows
  const other = prefixKeys(ids(200, 9), "");
  const salted = prefixKeys(ids(200), "tenant");
  for (let i = 0; i < 3; i++) expect(new Set([keys[i], other[i], salted[i]]).size).toBe(3);
});

test("pages are taken all or none, and given back once", () => {
  const pool = new PagePool(3);
  expect([pool.total, pool.used, pool.available, pool.cached]).toEqual([3, 0, 3, 0]);
  const two = pool.take(2);
  expect(two).toHaveLength(2);
  expect(pool.take(2)).toBeNull();
  expect([pool.used, pool.available]).toEqual([2, 1]);
  pool.release(two ?? []);
  expect(pool.used).toBe(0);
  expect(() => pool.release([two?.[0] ?? 0])).toThrow(/page \d of the cache is released twice/);
});

test("a page that is shared stays until the last reference is gone", () => {
  const pool = new PagePool(1);
  const pages = pool.take(1) ?? [];
  pool.share(pages);
  pool.release(pages);
  expect(pool.take(1)).toBeNull();
  pool.release(pages);
  expect(pool.take(1)).toEqual(pages);
});

test("what is published is found up to the first key that is not there, and cannot be taken while it is referred to", () => {
  const pool = new PagePool(3);
  const pages = pool.take(3) ?? [];
  for (const [i, key] of ["a", "b", "c"].entries()) pool.publish(pages[i] ?? 0, key);
  pool.release(pages);
  expect([pool.used, pool.available, pool.cached]).toEqual([0, 3, 3]);
  expect(pool.find(["a", "x", "c"])).toEqual([pages[0]]);
  expect(pool.find(["a", "b"])).toEqual([pages[0], pages[1]]);
  expect([pool.used, pool.available, pool.cached]).toEqual([2, 1, 3]);
  expect(pool.take(2)).toBeNull();
  expect(pool.take(1)).toEqual([pages[2]]);
  expect(pool.cached).toBe(2); // its key went with it
  expect(pool.find(["c"])).toEqual([]);
});

test("the first page under a key is the one that is found", () => {
  const pool = new PagePool(2);
  const [one = 0, other = 0] = pool.take(2) ?? [];
  pool.publish(one, "a");
  pool.publish(other, "a");
  pool.publish(one, "b"); // a page has one key
  expect(pool.find(["a"])).toEqual([one]);
  expect(pool.find(["b"])).toEqual([]);
  expect(pool.cached).toBe(1);
});

test("the page unused longest goes first, and pages without a key before all of them", () => {
  const pool = new PagePool(4);
  const [a = 0, b = 0, c = 0, free = 0] = pool.take(4) ?? [];
  for (const [key, page] of Object.entries({ a, b, c })) pool.publish(page, key);
  pool.release([b]);
  pool.release([a]);
  pool.release([c]);
  pool.release([free]);
  pool.release(pool.find(["b"])); // used again: now after a and c
  expect([pool.take(1), pool.take(1), pool.take(1), pool.take(1)]).toEqual([[free], [a], [c], [b]]);
});

test("of a prompt that is given back the last page goes first: without the first nothing after it is found", () => {
  const pool = new PagePool(3);
  const pages = pool.take(3) ?? [];
  const keys = ["a", "b", "c"];
  for (const [i, key] of keys.entries()) pool.publish(pages[i] ?? 0, key);
  pool.release(pages);
  pool.take(1);
  expect(pool.find(keys)).toEqual(pages.slice(0, 2));
});
