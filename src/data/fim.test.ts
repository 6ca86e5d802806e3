import fc from "fast-check";
import { expect, test } from "vitest";
import { checkFimOptions, type FimOptions, fimPassages, type Passage } from "./fim.js";

const always: FimOptions = { rate: 1, spmShare: 0, span: null };
const text = (bytes: Uint8Array): string => new TextDecoder("utf-8", { fatal: true }).decode(bytes);
const whole = (passage: Passage): string =>
  passage.kind === "plain" ? text(passage.text) : text(passage.prefix) + text(passage.middle) + text(passage.suffix);
const bytesOf = (value: string): Uint8Array => Buffer.from(value, "utf8");

test("the parts of the passages join to the document, also with characters of several bytes", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme", minLength: 1, maxLength: 80 }),
      fc.option(fc.integer({ min: 1, max: 20 }), { nil: null }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.nat(),
      (document, span, rate, seed) => {
        const bytes = Buffer.from(document, "utf8");
        const passages = fimPassages(bytes, { rate, spmShare: 0.5, span }, seed, 3, 0);
        expect(passages.map(whole).join("")).toBe(document);
        passages.forEach((passage, i) => {
          if (passage.kind === "plain") expect(passages[i + 1]?.kind).not.toBe("plain");
        });
      },
    ),
  );
});

test("rate 0 leaves a document as it is and rate 0.1 takes about one in ten", () => {
  const plain = fimPassages(bytesOf("abc"), { ...always, rate: 0 }, 1, 2, 3);
  expect(plain.map((passage) => [passage.kind, whole(passage)])).toEqual([["plain", "abc"]]);
  let taken = 0;
  for (let i = 0; i < 10_000; i++) {
    if (fimPassages(bytesOf("abc"), { ...always, rate: 0.1 }, 7, i, 0)[0]?.kind === "psm") taken++;
  }
  expect(taken).toBeGreaterThan(900); // 1000 +- 3.3 standard deviations of 30
  expect(taken).toBeLessThan(1100);
});

test("cuts fall on every pair of positions between characters, uniformly", () => {
  const counts = new Map<string, number>();
  for (let i = 0; i < 9000; i++) {
    const [passage] = fimPassages(bytesOf("é€"), always, 1, i, 0);
    if (passage?.kind !== "psm") throw new Error("expected PSM");
    const key = [passage.prefix, passage.middle, passage.suffix].map(text).join("|");
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  // Two independent positions of three: equal ones 1/9 each, a pair of different ones 2/9.
  const share = Object.fromEntries([...counts].map(([key, count]) => [key, Math.round((9 * count) / 9000)]));
  expect(share).toEqual({ "||é€": 1, "é||€": 1, "é€||": 1, "|é|€": 2, "|é€|": 2, "é|€|": 2 });
});

test("a draw depends on seed, document and epoch, and on nothing else", () => {
  const document = bytesOf("a fairly long document, to be cut somewhere");
  const cut = (seed: number, index: number, epoch: number): string =>
    JSON.stringify(
      fimPassages(document, always, seed, index, epoch).map((p) => (p.kind === "psm" ? p.prefix.length : 0)),
    );
  expect(cut(1, 2, 3)).toBe(cut(1, 2, 3));
  const others = [cut(2, 2, 3), cut(1, 3, 3), cut(1, 2, 4), cut(9, 9, 9)];
  expect(others.some((other) => other !== cut(1, 2, 3))).toBe(true);
  expect(new Set(others).size).toBeGreaterThan(1);
});

test("passages of a span end behind a line end where there is one", () => {
  const document = bytesOf("aaaa\nbbbb\ncccccccccccc\ndd\n");
  const passages = fimPassages(document, { ...always, span: 8 }, 1, 0, 0);
  expect(passages.map(whole)).toEqual(["aaaa\n", "bbbb\n", "cccccccc", "cccc\ndd\n"]);
});

test("spmShare 1 gives SPM only", () => {
  expect(fimPassages(bytesOf("abc"), { ...always, spmShare: 1 }, 1, 0, 0)[0]?.kind).toBe("spm");
});

test("checkFimOptions refuses rates outside [0, 1]", () => {
  expect(() => checkFimOptions({ ...always, rate: 1.5 })).toThrow("got 1.5");
  expect(() => checkFimOptions({ ...always, spmShare: -1 })).toThrow("got -1");
  expect(() => checkFimOptions({ ...always, span: 0 })).toThrow("got 0");
});

test("passages of one document are drawn one by one", () => {
  const document = bytesOf("0123456789".repeat(400));
  const passages = fimPassages(document, { ...always, rate: 0.25, span: 10 }, 5, 0, 0);
  const rearranged = passages.filter(({ kind }) => kind === "psm").length;
  expect(rearranged).toBeGreaterThan(65); // 100 +- 4 standard deviations of 8.7
  expect(rearranged).toBeLessThan(135);
});
