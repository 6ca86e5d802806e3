import fc from "fast-check";
import { expect, test } from "vitest";
import { byteCharacters, bytesByCharacter, tokenString } from "./byteAlphabet.js";
import { learnMerges, type PieceCounts } from "./learnMerges.js";

function tableOf(pieces: readonly (readonly [string, number])[]): PieceCounts {
  const offsets = [0];
  for (const [text] of pieces) offsets.push(offsets.at(-1)! + Buffer.byteLength(text));
  return {
    size: pieces.length,
    arena: Buffer.from(pieces.map(([text]) => text).join("")),
    offsets: Int32Array.from(offsets),
    counts: Float64Array.from(pieces, ([, count]) => count),
  };
}

function learned(pieces: readonly (readonly [string, number])[], most: number, minFrequency = 1): string[] {
  return [...learnMerges(tableOf(pieces), most, minFrequency)].map(
    ({ left, right, count }) => `${tokenString(left)} ${tokenString(right)} ${count}`,
  );
}

/** The slow obvious form: count all pairs anew, take the best, replace it everywhere. */
function learnedSlowly(pieces: readonly (readonly [string, number])[], most: number, minFrequency: number): string[] {
  const ids = new Map(bytesByCharacter.map((byte, id) => [byteCharacters[byte]!, id]));
  const words = pieces.map(([text, count]) => ({ symbols: [...tokenString(Buffer.from(text))], count }));
  const seen = new Set<string>();
  const merges: string[] = [];
  for (let made = 0; made < most; ) {
    const counts = new Map<string, number>();
    for (const { symbols, count } of words) {
      for (let i = 0; i + 1 < symbols.length; i++) {
        const pair = `${symbols[i]} ${symbols[i + 1]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + count);
      }
    }
    const order = (pair: string): number[] => pair.split(" ").map((part) => ids.get(part)!);
    const [best] = [...counts].sort(([a, m], [b, n]) => {
      const [left, right] = [order(a), order(b)];
      return n - m || left[0]! - right[0]! || left[1]! - right[1]!;
    });
    if (best === undefined || best[1] < minFrequency) break;
    const [a, b] = best[0].split(" ") as [string, string];
    if (!ids.has(a + b)) {
      ids.set(a + b, ids.size);
      made++;
    }
    if (!seen.has(best[0])) merges.push(`${best[0]} ${best[1]}`);
    seen.add(best[0]);
    for (const { symbols } of words) {
      for (let i = 0; i + 1 < symbols.length; i++)
        if (symbols[i] === a && symbols[i + 1] === b) symbols.splice(i, 2, a + b);
    }
  }
  return merges;
}

test("merges of a small table are those found by hand", () => {
  // hug 10, pug 5, pun 12, bun 4, hugs 5: u+g 20, u+n 16 (p+u 17 has lost 5 to ug), h+ug 15, then p+un 12.
  const pieces = [
    ["hug", 10],
    ["pug", 5],
    ["pun", 12],
    ["bun", 4],
    ["hugs", 5],
  ] as const;
  expect(learned(pieces, 4)).toEqual(["u g 20", "u n 16", "h ug 15", "p un 12"]);
});

test("equally frequent pairs merge in the order of their ids", () => {
  expect(
    learned(
      [
        ["zy", 3],
        ["ba", 3],
      ],
      2,
    ),
  ).toEqual(["b a 3", "z y 3"]);
  expect(
    learned(
      [
        ["ca", 1],
        ["cb", 1],
        ["ba", 1],
      ],
      3,
    ),
  ).toEqual(["b a 1", "c a 1", "c b 1"]);
});

test("a run of one letter is replaced from left to right", () => {
  expect(learned([["aaaaa", 2]], 3)).toEqual(["a a 8", "aa a 2", "aa aaa 2"]);
});

test("pairs below the least frequency are left alone", () => {
  expect(
    learned(
      [
        ["ab", 3],
        ["cd", 2],
      ],
      9,
      3,
    ),
  ).toEqual(["a b 3"]);
});

test("merges equal those of counting everything anew, also when two merges build the same bytes", () => {
  const piece = fc.string({ unit: fc.constantFrom("a", "b", "c", " ", "é"), minLength: 1, maxLength: 14 });
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(piece, fc.integer({ min: 1, max: 9 })), { maxLength: 12, selector: ([text]) => text }),
      fc.integer({ min: 0, max: 40 }),
      fc.integer({ min: 1, max: 4 }),
      (pieces, most, minFrequency) => {
        expect(learned(pieces, most, minFrequency)).toEqual(learnedSlowly(pieces, most, minFrequency));
      },
    ),
    { numRuns: 1_000 },
  );
});

test("a piece of a megabyte costs in proportion to its length", () => {
  const time = (length: number): number => {
    let text = "";
    for (let i = 0, state = 1; i < length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      text += "ACGT"[state >>> 30];
    }
    const start = process.cpuUsage(); // not the clock: other processes may be running
    expect(learned([[text, 1]], 500)).toHaveLength(500);
    return process.cpuUsage(start).user / 1000;
  };
  time(100_000);
  expect(time(1_000_000)).toBeLessThan(4 * time(500_000) + 200); // 2 by arithmetic; caches and collection cost the rest
});
