import fc from "fast-check";
import { expect, test } from "vitest";
import { heldOutGroups } from "./split.js";

const groups = Array.from({ length: 200 }, (_, i) => ({ key: `group ${i}`, bytes: 50 + (i % 7) * 20 }));
const total = groups.reduce((sum, { bytes }) => sum + bytes, 0);
const options = { seed: 1, fraction: 0.1, maxBytes: 1e9 };
const names = (indices: Set<number>, list = groups): string[] => [...indices].map((i) => list[i]!.key).sort();

test("about the wanted share is held out, and never more", () => {
  const held = [...heldOutGroups(groups, options)].reduce((sum, i) => sum + groups[i]!.bytes, 0);
  expect(held).toBeLessThanOrEqual(total / 10);
  expect(held).toBeGreaterThan(total / 10 - 170);
});

test("the choice does not depend on the order of the list but on the seed", () => {
  const reversed = groups.toReversed();
  expect(names(heldOutGroups(reversed, options), reversed)).toEqual(names(heldOutGroups(groups, options)));
  expect(names(heldOutGroups(groups, { ...options, seed: 2 }))).not.toEqual(names(heldOutGroups(groups, options)));
});

test("a cap in bytes limits the share, and a group larger than the rest is passed over", () => {
  const list = [{ key: "giant", bytes: 1e6 }, ...groups];
  for (let seed = 0; seed < 400; seed++) {
    // In two of these 400 orders, about, the giant comes first.
    const held = heldOutGroups(list, { seed, fraction: 0.5, maxBytes: 500 });
    expect(held.has(0)).toBe(false);
    expect(held.size).toBeGreaterThan(2);
  }
});

test("at least one group is held out of two or more, never all, and none at fraction 0", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 1000 }), { maxLength: 8 }), fc.nat(), (sizes, seed) => {
      const list = sizes.map((bytes, i) => ({ key: `${i}`, bytes }));
      const held = heldOutGroups(list, { seed, fraction: 0.01, maxBytes: 1e9 });
      expect(held.size).toBeGreaterThanOrEqual(sizes.length >= 2 ? 1 : 0);
      expect(held.size).toBeLessThan(Math.max(1, sizes.length));
      expect(heldOutGroups(list, { seed, fraction: 0, maxBytes: 1e9 }).size).toBe(0);
    }),
  );
  expect(() => heldOutGroups(groups, { ...options, fraction: 1 })).toThrow("got 1");
});
