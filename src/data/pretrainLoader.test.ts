import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildTokenizerConfig, buildTokenizerJson } from "../tokenizer/newTokenizer.js";
import { Tokenizer } from "../tokenizer/tokenizer.js";
import { prepareData } from "./prepare.js";
import { PreparedData } from "./preparedData.js";
import { PretrainLoader } from "./pretrainLoader.js";
import { permuted } from "./random.js";
import { parseDataSources } from "./sources.js";

let folder = "";
let data: PreparedData;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fathom-loader-"));
  const write = (name: string, count: number, words: string): string => {
    const line = (_: unknown, i: number): string =>
      `${JSON.stringify({ text: `${i} ${words.repeat(1 + (i % 9))}` })}\n`;
    writeFileSync(join(folder, name), Array.from({ length: count }, line).join(""));
    return join(folder, name);
  };
  const sources = [`a=${write("a.jsonl", 60, "abc ")}:0.75`, `b=${write("b.jsonl", 30, "x")}:0.25`];
  await prepareData({
    sources: parseDataSources(sources),
    tokenizer: Tokenizer.fromJson(buildTokenizerJson([]), buildTokenizerConfig()),
    outDir: join(folder, "out"),
    seed: 1,
    fim: { rate: 0 },
    shardTokens: 500,
  });
  data = new PreparedData(join(folder, "out"));
});
afterAll(() => {
  data[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

const loader = (sequenceLength = 16, seed = 7): PretrainLoader => new PretrainLoader(data, { sequenceLength, seed });
const rows = (batch: Int32Array, width = 17): string[] =>
  Array.from({ length: batch.length / width }, (_, i) => batch.subarray(i * width, (i + 1) * width).join(" "));

test("permuted goes through every index once, for any size", () => {
  for (const size of [1, 2, 3, 4, 5, 16, 17, 100, 1000]) {
    const image = Array.from({ length: size }, (_, i) => permuted(i, size, 42));
    expect([...image].sort((a, b) => a - b)).toEqual([...image.keys()]);
    if (size >= 100) expect(image).not.toEqual([...image.keys()]);
  }
  expect(permuted(1e12, 2 ** 41, 3)).toBeLessThan(2 ** 41);
  expect(() => permuted(3, 3, 1)).toThrow("outside [0, 3)");
});

test("in each pass every row of a source comes once, in another order than before", () => {
  const source = loader();
  const { numRows } = source.packing("a");
  const packed = Array.from({ length: numRows }, (_, r) => source.packedRow("a", r).ids.join(" "));
  const known = new Set(packed);
  const taken: string[] = [];
  while (taken.length < 2 * numRows) taken.push(...rows(source.next(1)).filter((row) => known.has(row)));
  const [first, second] = [taken.slice(0, numRows), taken.slice(numRows)];
  expect(first.toSorted()).toEqual(packed.toSorted());
  expect(second.toSorted()).toEqual(packed.toSorted());
  expect(first).not.toEqual(second);
  expect(first).not.toEqual(packed);
});

test("the rows of a source hold the tokens of its documents", () => {
  const source = loader();
  const { numRows, repeatedTokens } = source.packing("b");
  const held = Array.from({ length: numRows }, (_, r) => [...source.packedRow("b", r).ids]).flat();
  const stream = data.streams[1]!;
  const all = Array.from({ length: stream.numDocuments }, (_, d) => [...stream.document(d)]).flat();
  const sorted = (ids: readonly number[]): number[] => ids.toSorted((x, y) => x - y);
  expect(sorted(held.slice(0, held.length - repeatedTokens))).toEqual(sorted(all));
});

test("a restored loader gives what an uninterrupted one gives, wherever it was stopped", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 12 }),
      fc.nat(11),
      (sizes, stop) => {
        const whole = loader();
        const expected = sizes.map((size) => rows(whole.next(size)));
        let broken = loader();
        const found = sizes.map((size, i) => {
          if (i === stop) {
            const state: unknown = JSON.parse(JSON.stringify(broken.state()));
            broken = loader(32);
            broken.restore(state as ReturnType<PretrainLoader["state"]>);
          }
          return rows(broken.next(size));
        });
        expect(found).toEqual(expected);
        expect(broken.state()).toEqual(whole.state());
      },
    ),
    { numRuns: 30 },
  );
});

test("the ranks of any world take contiguous slices of the batch of one process", () => {
  for (const world of [1, 2, 3, 4]) {
    const one = loader();
    const ranks = Array.from({ length: world }, () => loader());
    for (let step = 0; step < 5; step++) {
      const expected = rows(one.next(12));
      expect(ranks.flatMap((rank, r) => rows(rank.next(12 / world, r, world)))).toEqual(expected);
    }
    for (const rank of ranks) expect(rank.state()).toEqual(one.state());
  }
});

test("realised shares stay within a row of the wanted ones", () => {
  const source = loader();
  for (let n = 1; n <= 300; n++) {
    source.next(1);
    for (const { tokens, wantedShare } of source.realisedShares()) {
      expect(Math.abs(tokens / 16 - wantedShare * n)).toBeLessThanOrEqual(1);
    }
  }
  const [a, b] = source.realisedShares();
  expect([a?.share, b?.share]).toEqual([0.75, 0.25]);
  expect(a?.epochs).toBe(225 / source.packing("a").numRows);
});

test("another sequence length packs anew and keeps counting tokens", () => {
  const source = loader();
  source.next(10);
  source.setSequenceLength(64);
  expect(source.next(2).length).toBe(2 * 65);
  expect(source.tokensTaken).toBe(10 * 16 + 2 * 64);
  const copy = loader();
  copy.restore(source.state());
  expect(copy.next(3)).toEqual(source.next(3));
});

test("packedRow tells the documents of a row", () => {
  const source = loader(64);
  const stream = data.streams[0]!;
  const lengths = new Float64Array(stream.numDocuments);
  for (let r = 0; r < source.packing("a").numRows; r++) {
    const { ids, parts } = source.packedRow("a", r);
    expect(parts.reduce((sum, part) => sum + part.length, 0)).toBe(65);
    for (const { document, at, length, startsDocument, endsDocument } of parts) {
      const whole = stream.document(document);
      const part = ids.subarray(at, at + length);
      if (startsDocument) expect(part).toEqual(whole.subarray(0, length));
      if (endsDocument) expect(part).toEqual(whole.subarray(whole.length - length));
      lengths[document]! += length;
    }
  }
  expect(lengths.every((length, d) => length >= stream.document(d).length)).toBe(true);
});

test("bad arguments and states of other data are refused", () => {
  expect(() => loader(0)).toThrow("got 0");
  expect(() => loader().next(0)).toThrow("got 0");
  expect(() => loader().next(1, 2, 2)).toThrow("rank 2 is outside a world of 2");
  const state = loader().state();
  expect(() => loader(16, 8).restore(state)).toThrow("seed is 7, expected 8");
  expect(() => loader().restore({ ...state, dataKey: "x" })).toThrow("hash of the prepared tokens is x");
  expect(() => loader().restore({ ...state, rows: { a: 1 } })).toThrow('rows of source "b" is undefined');
  expect(() => loader().packedRow("c", 0)).toThrow('no source "c"; there are a, b');
});
