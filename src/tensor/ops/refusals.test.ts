/**
 * Sizes and types that do not fit are refused by name before a kernel is given an address. Each op is called with what fits, which passes, and
 * then with one thing changed. Before that call the memory of all but the int32 tensors is given back: an op that asked for an address first
 * would complain about a freed tensor instead.
 */
import { describe, expect, test } from "vitest";
import { Arena } from "../arena.js";
import type { Dtype } from "../dtype.js";
import { createParameter, type Parameter } from "../parameter.js";
import { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import { attendBack, attention } from "./attention.js";
import { linearCrossEntropy } from "./crossEntropy.js";
import { embedding } from "./embedding.js";
import {
  absorbQueries,
  appendLatents,
  attendLatents,
  expandValues,
  readLatents,
  writeLatents,
} from "./latentAttention.js";
import { groupedLinear, linear } from "./linear.js";
import { combine, permute, sortByExpert } from "./permute.js";
import { addRmsNorm, rmsNorm } from "./rmsNorm.js";
import { rope } from "./rope.js";
import { expertCounts, type RouterShape, routerStatistics, routeTokens } from "./router.js";
import { swiglu, swigluFp8 } from "./swiglu.js";

interface Piece {
  readonly shape: readonly number[];
  readonly dtype: Dtype;
  /** Of an int32 tensor; zeros if left out. */
  readonly values?: readonly number[];
}
const f32 = (...shape: number[]): Piece => ({ shape, dtype: "float32" });
const bf16 = (...shape: number[]): Piece => ({ shape, dtype: "bfloat16" });
const fp8 = (...shape: number[]): Piece => ({ shape, dtype: "float8_e4m3fn" });
const ints = (...values: number[]): Piece => ({ shape: [values.length], dtype: "int32", values });
const zeroInts = (...shape: number[]): Piece => ({ shape, dtype: "int32" });

interface Op {
  readonly pieces: Readonly<Record<string, Piece>>;
  readonly call: (tape: Tape, t: (name: string) => Tensor, p: (name: string) => Parameter) => unknown;
  /** What is changed, and what the message says of it: what came and what is expected. */
  readonly refused: readonly (readonly [Readonly<Record<string, Piece>>, string, string])[];
}

const router: RouterShape = {
  nRoutedExperts: 4,
  numExpertsPerTok: 2,
  nGroup: 1,
  topkGroup: 1,
  scoringFunc: "sigmoid",
  topkMethod: "noaux_tc",
  normTopkProb: true,
  routedScalingFactor: 1,
};
// 2 heads of 3 + 2 key and 4 value values, over latents of 6.
const latentShape = { heads: 2, nopeDim: 3, ropeDim: 2, latentDim: 6, vDim: 4 };
const naive = { heads: 2, kvHeads: 2, nopeDim: 3, ropeDim: 2, vDim: 4, scale: 1 };
const layout = { heads: 2, headDim: 5, offset: 3, ropeDim: 2 };
const attentionPieces = { q: f32(5, 10), kv: f32(5, 14), kRope: f32(5, 2), offsets: ints(0, 2, 5) };
const tables = { cos: f32(9, 1), sin: f32(9, 1) };
const narrowTables = [
  [{ cos: f32(9, 2) }, "tables [9, 2] float32 and [9, 1] float32", "expected [positions, 1] each"],
  [{ sin: f32(9, 2) }, "tables [9, 1] float32 and [9, 2] float32", "expected [positions, 1] each"],
  [{ cos: f32(9, 2), sin: f32(9, 2) }, "tables [9, 2] float32 and [9, 2] float32", "expected [positions, 1] each"],
  [{ sin: f32(8, 1) }, "tables [9, 1] float32 and [8, 1] float32", "expected [positions, 1] each"],
] as const;
const routing = (t: (name: string) => Tensor) => ({
  experts: t("experts"),
  weights: t("weights"),
  scores: t("scores"),
});
const routingPieces = { experts: zeroInts(5, 2), weights: f32(5, 2), scores: f32(5, 4), offsets: ints(0, 2, 5) };

const ops: Readonly<Record<string, Op>> = {
  linear: {
    pieces: { x: f32(5, 6), w: f32(7, 6) },
    call: (tape, t, p) => linear(tape, t("x"), p("w")),
    refused: [
      [{ x: f32(5, 7) }, "x [5, 7] has 7 columns", "w [7, 6] takes 6"],
      [{ w: f32(7, 6, 1) }, "w [7, 6, 1]", "takes 6"],
    ],
  },
  groupedLinear: {
    pieces: { x: f32(5, 6), w: f32(2, 7, 6), offsets: ints(0, 2, 5) },
    call: (tape, t, p) => groupedLinear(tape, t("x"), p("w"), t("offsets")),
    refused: [
      [{ x: f32(5, 7) }, "x [5, 7] float32", "expected [rows, 6] and [3] to the number of rows"],
      [{ w: f32(2, 7, 6, 1) }, "w [2, 7, 6, 1]", "expected [rows, 6]"],
      [{ offsets: ints(0, 5) }, "offsets [2] int32 to 5", "[3] to the number of rows"],
      [{ offsets: ints(0, 2, 6) }, "x [5, 6] float32, offsets [3] int32 to 6", "[3] to the number of rows"],
    ],
  },
  linearCrossEntropy: {
    pieces: { x: f32(5, 6), head: f32(7, 6), targets: zeroInts(5), rowScales: f32(5) },
    call: (tape, t, p) =>
      linearCrossEntropy(tape, t("x"), p("head"), t("targets"), 1, { rowScales: t("rowScales"), entropies: true }),
    refused: [
      [{ x: f32(5, 7) }, "x [5, 7] float32", "expected [5, 6]"],
      [{ targets: zeroInts(4) }, "targets [4] int32", "[5] int32"],
      [{ targets: f32(5) }, "targets [5] float32", "[5] int32"],
      [{ head: f32(7, 6, 1) }, "head [7, 6, 1]", "[vocab, dim]"],
      [{ rowScales: f32(6) }, "row scales [6] float32", "expected [5] float32"],
      [{ rowScales: bf16(5) }, "row scales [5] bfloat16", "expected [5] float32"],
    ],
  },
  embedding: {
    pieces: { ids: zeroInts(5), table: f32(7, 6) },
    call: (tape, t, p) => embedding(tape, t("ids"), p("table"), "float32"),
    refused: [
      [{ ids: f32(5) }, "ids [5] float32", "expected [rows] int32"],
      [{ table: f32(7) }, "table [7]", "[vocab, dim]"],
    ],
  },
  sortByExpert: {
    pieces: { experts: zeroInts(5, 2) },
    call: (tape, t) => sortByExpert(tape, t("experts"), 4),
    refused: [[{ experts: f32(5, 2) }, "experts [5, 2] float32", "expected [rows, k] int32"]],
  },
  permute: {
    pieces: { x: f32(5, 6), experts: zeroInts(5, 2) },
    call: (tape, t) => permute(tape, t("x"), sortByExpert(tape, t("experts"), 4)),
    refused: [[{ x: f32(4, 6) }, "x [4, 6] float32", "expected the 5 rows"]],
  },
  combine: {
    pieces: { y: bf16(10, 6), weights: f32(5, 2), shared: bf16(5, 6), experts: zeroInts(5, 2) },
    call: (tape, t) => combine(tape, t("y"), t("weights"), sortByExpert(tape, t("experts"), 4), t("shared")),
    refused: [
      [{ y: bf16(9, 6) }, "y [9, 6] bfloat16", "expected [10, 6]"],
      [{ weights: f32(4, 2) }, "weights [4, 2] float32", "[5, 2] float32"],
      [{ weights: f32(5, 3) }, "weights [5, 3] float32", "[5, 2] float32"],
      [{ weights: bf16(5, 2) }, "weights [5, 2] bfloat16", "[5, 2] float32"],
      [{ shared: bf16(4, 6) }, "shared [4, 6] bfloat16", "[5, 6] bfloat16"],
      [{ shared: bf16(5, 5) }, "shared [5, 5] bfloat16", "[5, 6] bfloat16"],
      [{ shared: f32(5, 6) }, "shared [5, 6] float32", "[5, 6] bfloat16"],
    ],
  },
  rmsNorm: {
    pieces: { x: bf16(5, 6), w: f32(6) },
    call: (tape, t, p) => rmsNorm(tape, t("x"), p("w"), 1e-6),
    refused: [
      [{ x: bf16(5, 7) }, "x [5, 7] bfloat16 has 7 columns, w is [6] float32", "expected [7] float32"],
      [{ w: bf16(6) }, "w is [6] bfloat16", "expected [6] float32"],
    ],
  },
  addRmsNorm: {
    pieces: { a: f32(5, 6), b: f32(5, 6), w: f32(6) },
    call: (tape, t, p) => addRmsNorm(tape, t("a"), t("b"), p("w"), 1e-6),
    refused: [
      [{ b: f32(4, 6) }, "b [4, 6] float32", "expected a and b alike, [6] float32"],
      [{ b: f32(5, 7) }, "b [5, 7] float32", "expected a and b alike"],
      [{ b: f32(6, 5) }, "b [6, 5] float32", "expected a and b alike"],
      [{ b: bf16(5, 6) }, "b [5, 6] bfloat16", "expected a and b alike"],
      [{ w: f32(5) }, "w [5] float32", "[6] float32"],
      [{ w: bf16(6) }, "w [6] bfloat16", "[6] float32"],
    ],
  },
  swiglu: {
    pieces: { x: f32(5, 6) },
    call: (tape, t) => swiglu(tape, t("x")),
    refused: [[{ x: f32(5, 7) }, "7 columns", "two halves"]],
  },
  "swiglu in FP8": {
    pieces: { x: f32(5, 6) },
    call: (tape, t) => swigluFp8(tape, t("x")),
    refused: [[{ x: f32(5, 7) }, "7 columns", "two halves"]],
  },
  rope: {
    pieces: { x: f32(5, 10), ...tables, positions: zeroInts(5) },
    call: (tape, t) => rope(tape, t("x"), { cos: t("cos"), sin: t("sin") }, t("positions"), layout),
    refused: [
      [{ x: f32(5, 9) }, "x [5, 9] float32", "expected [rows, 10]: 2 heads of 5 with 2 at 3"],
      [{ positions: zeroInts(4) }, "positions [4] int32", "expected [5] int32"],
      [{ positions: f32(5) }, "positions [5] float32", "expected [5] int32"],
      ...narrowTables,
    ],
  },
  "rope of values that leave a head": {
    pieces: { x: f32(5, 10), ...tables, positions: zeroInts(5), offset: ints(3) },
    call: (tape, t) =>
      rope(tape, t("x"), { cos: t("cos"), sin: t("sin") }, t("positions"), {
        ...layout,
        offset: t("offset").ints()[0] ?? 0,
      }),
    refused: [
      [{ offset: ints(4) }, "rope: x [5, 10]", "heads of 5 with 2 at 4"],
      [{ offset: ints(-1) }, "rope: x [5, 10]", "heads of 5 with 2 at -1"],
    ],
  },
  routeTokens: {
    pieces: { logits: f32(5, 4), bias: f32(4) },
    call: (tape, t, p) => routeTokens(tape, t("logits"), p("bias"), router),
    refused: [
      [{ logits: f32(5, 3) }, "logits [5, 3] float32", "expected [rows, 4] and [4], both float32"],
      [{ logits: bf16(5, 4) }, "logits [5, 4] bfloat16", "both float32"],
      [{ bias: f32(3) }, "bias [3] float32", "[4]"],
      [{ bias: bf16(4) }, "bias [4] bfloat16", "both float32"],
    ],
  },
  routerStatistics: {
    pieces: routingPieces,
    call: (tape, t) => routerStatistics(tape, routing(t), t("offsets"), 2, true),
    refused: [[{ offsets: ints(0, 2, 6) }, "sequences [3] int32 to 6", "expected to the 5 rows of scores [5, 4]"]],
  },
  expertCounts: {
    pieces: routingPieces,
    call: (tape, t) => expertCounts(tape, routing(t), t("offsets")),
    refused: [[{ offsets: ints() }, "sequences [0] int32 to -1", "expected to the 5 rows of scores [5, 4]"]],
  },
  attention: {
    pieces: attentionPieces,
    call: (tape, t) => attention(tape, t("q"), t("kv"), t("kRope"), t("offsets"), naive),
    refused: [
      [{ q: f32(5, 9) }, "q [5, 9] float32", "[rows, 10]"],
      [{ q: bf16(5, 10) }, "q [5, 10] bfloat16, kv [5, 14] float32", "of one type"],
      [{ kv: f32(4, 14) }, "5 queries and 4 keys", "as many"],
      [{ kv: bf16(5, 14) }, "q [5, 10] float32, kv [5, 14] bfloat16", "of one type"],
      [{ kv: f32(5, 13) }, "kv [5, 13] float32", "[keys, 14]"],
      [{ kRope: f32(5, 3) }, "kRope [5, 3] float32", "[keys, 2]"],
      [{ kRope: f32(4, 2) }, "kRope [4, 2] float32", "[keys, 2]"],
      [{ kRope: bf16(5, 2) }, "kRope [5, 2] bfloat16", "of one type"],
      [{ offsets: ints(0, 2, 6) }, "sequences [3] int32 to 6", "expected as many of both, to 5 queries and 5 keys"],
    ],
  },
  "attention over keys of before": {
    pieces: { ...attentionPieces, o: f32(2, 8), q: f32(2, 10), seen: ints(0, 5), offsets: ints(0, 2) },
    call: (tape, t) => {
      const keys = { kv: t("kv"), kRope: t("kRope"), offsets: t("seen") };
      return attendBack(tape, t("o"), t("q"), keys, t("offsets"), naive);
    },
    refused: [
      [{ o: f32(1, 8) }, "o [1, 8] float32", "expected [rows, 8]"],
      [{ o: f32(2, 7) }, "o [2, 7] float32", "expected [rows, 8]"],
      [{ o: bf16(2, 8) }, "o [2, 8] bfloat16", "of one type"],
      [{ seen: ints(0, 2, 5) }, "[2] int32 to 2 and [3] int32 to 5", "as many of both"],
      [{ offsets: ints(0, 3) }, "sequences [2] int32 to 3", "to 2 queries and 5 keys"],
      [{ seen: ints(0, 4) }, "and [2] int32 to 4", "to 2 queries and 5 keys"],
    ],
  },
  "attention of two heads without a part that they share": {
    pieces: { q: f32(5, 6), kv: f32(5, 14), kvHeads: ints(2), heads: ints(2), ropeDim: ints(0), offsets: ints(0, 5) },
    call: (tape, t) => {
      const [heads = 0, kvHeads = 0, ropeDim = 0] = ["heads", "kvHeads", "ropeDim"].map((name) => t(name).ints()[0]);
      return attention(tape, t("q"), t("kv"), null, t("offsets"), { ...naive, heads, kvHeads, ropeDim });
    },
    refused: [
      [{ heads: ints(3), q: f32(5, 9) }, "attention:", "3 heads, 2 kv heads"],
      [{ ropeDim: ints(2), q: f32(5, 10) }, "kRope none", "[keys, 2]"],
    ],
  },
  writeLatents: {
    pieces: { pages: f32(2, 4, 8), slots: ints(0, 1, 2, 3, 4), latent: f32(5, 6), kRope: f32(5, 2) },
    call: (_, t) => writeLatents({ pages: t("pages"), slots: t("slots") }, { latent: t("latent"), kRope: t("kRope") }),
    refused: [
      [{ kRope: f32(4, 2) }, "kRope [4, 2] float32", "expected as many rows of one type"],
      [{ kRope: bf16(5, 2) }, "kRope [5, 2] bfloat16", "expected as many rows of one type"],
      [{ slots: ints(0, 1) }, "slots [2] int32", "expected [5] int32"],
      [{ latent: f32(5, 7) }, "pages [2, 4, 8] float32", "expected [pages, pageSize, 9]: 7 latent and 2 key values"],
      [{ pages: fp8(2, 4, 8) }, "pages [2, 4, 8] float8_e4m3fn", "expected [pages, pageSize, 14]"],
    ],
  },
  readLatents: {
    pieces: { pages: fp8(2, 4, 14), slots: ints(0, 1, 2) },
    call: (tape, t) => readLatents(tape, { pages: t("pages"), slots: t("slots") }, 6, 2, "float32"),
    refused: [
      [{ pages: fp8(2, 4, 13) }, "pages [2, 4, 13] float8_e4m3fn", "expected [pages, pageSize, 14]"],
      [{ pages: f32(2, 4, 8, 1) }, "pages [2, 4, 8, 1] float32", "expected [pages, pageSize, 8]"],
      [{ pages: f32(2, 4, 7) }, "pages [2, 4, 7] float32", "expected [pages, pageSize, 8]"],
      [{ slots: f32(3) }, "slots [3] float32", "expected [3] int32"],
    ],
  },
  appendLatents: {
    pieces: {
      pages: f32(2, 4, 8),
      slots: ints(0, 1, 2),
      z: f32(3, 8),
      norm: f32(6),
      ...tables,
      positions: zeroInts(3),
    },
    call: (_, t, p) => {
      const cache = { pages: t("pages"), slots: t("slots") };
      appendLatents(cache, t("z"), p("norm"), 1e-6, { cos: t("cos"), sin: t("sin") }, t("positions"));
    },
    refused: [
      [{ z: f32(3, 5) }, "z [3, 5] float32, norm [6] float32", "expected [rows, C + R] and [C] float32"],
      [{ norm: bf16(6) }, "norm [6] bfloat16", "[C] float32"],
      [{ slots: ints(0, 1) }, "slots [2] int32", "expected [3] int32"],
      [{ positions: zeroInts(4) }, "positions [4] int32", "expected [3] int32"],
      [{ pages: f32(2, 4, 7) }, "pages [2, 4, 7] float32", "expected [pages, pageSize, 8]"],
      ...narrowTables,
    ],
  },
  absorbQueries: {
    pieces: { q: f32(3, 10), kvB: f32(14, 6), ...tables, positions: zeroInts(3) },
    call: (tape, t, p) =>
      absorbQueries(tape, t("q"), p("kvB"), { cos: t("cos"), sin: t("sin") }, t("positions"), latentShape),
    refused: [
      [{ q: f32(3, 9) }, "rows [3, 9] float32", "expected [rows, 10]: 2 heads of 5 values"],
      [{ kvB: f32(13, 6) }, "kvB [13, 6]", "expected [14, 6]"],
      [{ kvB: f32(14, 6, 1) }, "kvB [14, 6, 1]", "expected [14, 6]"],
      [{ kvB: f32(14, 5) }, "kvB [14, 5]", "expected [14, 6]"],
      [{ positions: zeroInts(2) }, "positions [2] int32", "expected [3] int32"],
      ...narrowTables,
    ],
  },
  attendLatents: {
    pieces: { q: f32(3, 16), pages: f32(2, 4, 8), blockTable: zeroInts(3, 2), lengths: ints(1, 1, 1) },
    call: (tape, t) => {
      const [pages, blockTable, lengths] = [t("pages"), t("blockTable"), t("lengths")];
      return attendLatents(tape, t("q"), { pages, pageSize: 4, blockTable, lengths, slots: lengths }, latentShape, 1);
    },
    refused: [
      [{ q: f32(3, 15) }, "rows [3, 15] float32", "expected [rows, 16]: 2 heads of 8 values"],
      [{ lengths: ints(1, 1) }, "lengths [2] int32", "expected [3] int32"],
      [{ blockTable: zeroInts(2, 2) }, "block table [2, 2] int32", "expected [3, maxPages] int32"],
      [{ blockTable: f32(3, 2) }, "block table [3, 2] float32", "expected [3, maxPages] int32"],
      [{ pages: f32(2, 5, 8) }, "pages [2, 5, 8] float32", "pages of 4"],
      [{ pages: f32(2, 4, 9) }, "pages [2, 4, 9] float32", "expected [pages, pageSize, 8]"],
    ],
  },
  expandValues: {
    pieces: { latent: f32(3, 12), kvB: f32(14, 6) },
    call: (tape, t, p) => expandValues(tape, t("latent"), p("kvB"), latentShape),
    refused: [
      [{ latent: f32(3, 11) }, "rows [3, 11] float32", "expected [rows, 12]: 2 heads of 6 values"],
      [{ kvB: f32(15, 6) }, "kvB [15, 6]", "expected [14, 6]"],
    ],
  },
};

function run(op: Op, pieces: Op["pieces"], isFreed: boolean): void {
  const arena = new Arena();
  const made = new Map(
    Object.entries(pieces).map(([name, { shape, dtype, values }]) => {
      const parameter = createParameter(arena, name, shape, dtype);
      if (values) parameter.data.ints().set(values);
      if (isFreed && dtype !== "int32") parameter.data.free();
      return [name, parameter];
    }),
  );
  const parameter = (name: string): Parameter => {
    const found = made.get(name);
    if (!found) throw new Error(`no piece is called ${name}`);
    return found;
  };
  using tape = new Tape(arena, { hasGrad: false });
  op.call(tape, (name) => parameter(name).data, parameter);
}

describe.each(Object.entries(ops))("%s", (name, op) => {
  test("takes what fits", () => {
    expect(() => run(op, op.pieces, false)).not.toThrow();
  });

  test.each(op.refused)("refuses %o", (changes, came, expected) => {
    let error: unknown = null;
    try {
      run(op, { ...op.pieces, ...changes }, true);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(RangeError);
    const { message } = error as RangeError;
    expect(message.startsWith(`${name.split(" ")[0]}: `), message).toBe(true);
    expect(message).toContain(came);
    expect(message).toContain(expected);
  });
});
