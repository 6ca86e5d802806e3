/**
 * The typed list of kernels: the one place where TypeScript meets the addon. What each kernel computes, its shapes and what it
 * overwrites stand in native/kernels/kernels.h, argument for argument; a test holds both lists equal. A second device is a second
 * table of this type.
 *
 * Addresses are numbers (48 bits fit a double). Nothing here checks shapes: the ops do, and they own every buffer.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** A native address; null is the null pointer where a kernel allows it. */
export type Address = number | null;
/** 0 f32, 1 bf16, 2 f8_e4m3, 3 f16, 4 f12_e5m6. */
export type DtypeCode = 0 | 1 | 2 | 3 | 4;
/** QuantFormat of kernels.h: E4M3, int8, int4. */
export type QuantFormatCode = 0 | 1 | 2;
export type Flag = 0 | 1;

/** Native memory: the buffer is a view of the bytes at `address`. */
export interface Block {
  readonly buffer: ArrayBuffer;
  readonly address: number;
  readonly bytes: number;
}

/** avx512bf16 and avx512 differ in how they multiply bf16 (gemm_tile.h). */
export type Isa = "avx512bf16" | "avx512" | "avx2" | "portable";

export interface Native {
  /** Zero-filled, at least 64-byte aligned; freed when the last view is collected, or its pages at once by `release`. */
  alloc(bytes: number): Block;
  release(address: number, bytes: number): void;
  /** Drops the whole pages of a range of a file map from the process's memory; they are read again when they are touched. */
  forget(address: number, bytes: number): void;
  /** Private copy-on-write map of a whole file. @throws RangeError with the system's reason */
  mapFile(path: string): Block;
  /** @throws RangeError unless 1 <= count <= 1024 */
  setThreads(count: number): void;
  /** False if this CPU cannot run it. */
  selectIsa(name: string): boolean;
  isa(): Isa;
  /** What this CPU can run, best first, joined by commas. */
  isas(): string;

  convert(y: Address, x: Address, n: number, yType: DtypeCode, xType: DtypeCode): void;
  dequantizeFp8Blocks(
    y: Address,
    q: Address,
    scaleInv: Address,
    rows: number,
    cols: number,
    block: number,
    yType: DtypeCode,
  ): void;
  quantizeFp8Blocks(
    q: Address,
    scaleInv: Address,
    w: Address,
    rows: number,
    cols: number,
    block: number,
    wType: DtypeCode,
  ): void;
  findFp8Nan(index: Address, q: Address, n: number): void;
  fill(y: Address, value: number, n: number): void;
  addScaled(y: Address, x: Address, alpha: number, n: number, type: DtypeCode): void;
  add(y: Address, a: Address, b: Address, n: number, type: DtypeCode): void;
  scale(y: Address, alpha: number, n: number, type: DtypeCode): void;
  copyRows(
    y: Address,
    x: Address,
    rows: number,
    cols: number,
    yStride: number,
    xStride: number,
    elementBytes: number,
  ): void;
  sumSquares(out: Address, x: Address, n: number, type: DtypeCode): void;
  randomNormal(y: Address, n: number, seed: number, stream: number, start: number, std: number): void;
  gemm(
    c: Address,
    a: Address,
    b: Address,
    m: number,
    n: number,
    k: number,
    lda: number,
    ldb: number,
    ldc: number,
    transA: Flag,
    transB: Flag,
    accumulate: Flag,
    cType: DtypeCode,
    aType: DtypeCode,
    bType: DtypeCode,
  ): void;
  gemmBatched(
    c: Address,
    a: Address,
    b: Address,
    batch: number,
    strideC: number,
    strideA: number,
    strideB: number,
    m: number,
    n: number,
    k: number,
    lda: number,
    ldb: number,
    ldc: number,
    transA: Flag,
    transB: Flag,
    accumulate: Flag,
    cType: DtypeCode,
    aType: DtypeCode,
    bType: DtypeCode,
  ): void;
  linearDecode(
    y: Address,
    x: Address,
    w: Address,
    rows: number,
    n: number,
    k: number,
    yType: DtypeCode,
    xType: DtypeCode,
    wType: DtypeCode,
  ): void;
  linearDecodeQuantized(
    y: Address,
    x: Address,
    w: Address,
    scales: Address,
    offsets: Address,
    groups: number,
    n: number,
    k: number,
    group: number,
    format: QuantFormatCode,
    yType: DtypeCode,
    xType: DtypeCode,
  ): void;
  groupedGemmQuantized(
    c: Address,
    a: Address,
    b: Address,
    scales: Address,
    offsets: Address,
    groups: number,
    n: number,
    k: number,
    transB: Flag,
    accumulate: Flag,
    group: number,
    format: QuantFormatCode,
    cType: DtypeCode,
    aType: DtypeCode,
  ): void;
  gemmBatchedQuantized(
    c: Address,
    a: Address,
    b: Address,
    scales: Address,
    batch: number,
    strideC: number,
    strideA: number,
    strideB: number,
    m: number,
    n: number,
    k: number,
    lda: number,
    ldb: number,
    ldc: number,
    transB: Flag,
    accumulate: Flag,
    group: number,
    format: QuantFormatCode,
    cType: DtypeCode,
    aType: DtypeCode,
  ): void;
  quantizeRows(
    q: Address,
    scales: Address,
    w: Address,
    rows: number,
    k: number,
    group: number,
    format: QuantFormatCode,
    wType: DtypeCode,
  ): void;
  dequantizeRows(
    y: Address,
    q: Address,
    scales: Address,
    rows: number,
    k: number,
    group: number,
    format: QuantFormatCode,
    yType: DtypeCode,
  ): void;
  groupedGemm(
    c: Address,
    a: Address,
    b: Address,
    offsets: Address,
    groups: number,
    n: number,
    k: number,
    transB: Flag,
    accumulate: Flag,
    cType: DtypeCode,
    aType: DtypeCode,
    bType: DtypeCode,
  ): void;
  groupedGemmWgrad(
    dw: Address,
    dy: Address,
    x: Address,
    offsets: Address,
    groups: number,
    n: number,
    k: number,
    dyType: DtypeCode,
    xType: DtypeCode,
  ): void;
  groupedLinearDecode(
    y: Address,
    x: Address,
    w: Address,
    offsets: Address,
    groups: number,
    n: number,
    k: number,
    yType: DtypeCode,
    xType: DtypeCode,
    wType: DtypeCode,
  ): void;
  fp8Forward(
    y: Address,
    x: Address,
    xScales: Address,
    w: Address,
    wScales: Address,
    offsets: Address,
    groups: number,
    n: number,
    k: number,
    xFormat: DtypeCode,
    yType: DtypeCode,
    accumulationBits: number,
  ): void;
  fp8InputGradient(
    dx: Address,
    dy: Address,
    dyScales: Address,
    w: Address,
    wScales: Address,
    offsets: Address,
    groups: number,
    n: number,
    k: number,
    accumulate: Flag,
    dxType: DtypeCode,
    accumulationBits: number,
  ): void;
  fp8WeightGradient(
    dw: Address,
    dy: Address,
    dyScales: Address,
    x: Address,
    xScales: Address,
    offsets: Address,
    groups: number,
    n: number,
    k: number,
    accumulationBits: number,
  ): void;
  fp8QuantizeRows(
    q: Address,
    scales: Address,
    x: Address,
    rows: number,
    k: number,
    format: DtypeCode,
    powerOfTwo: Flag,
    floor: number,
    xType: DtypeCode,
  ): void;
  fp8DequantizeRows(
    y: Address,
    q: Address,
    scales: Address,
    rows: number,
    k: number,
    format: DtypeCode,
    yType: DtypeCode,
  ): void;
  fp8QuantizeColumns(
    q: Address,
    scales: Address,
    x: Address,
    xScales: Address,
    offsets: Address,
    groups: number,
    k: number,
    powerOfTwo: Flag,
    floor: number,
    xType: DtypeCode,
  ): void;
  fp8QuantizeGradientBlocks(
    q: Address,
    scales: Address,
    x: Address,
    offsets: Address,
    groups: number,
    k: number,
    powerOfTwo: Flag,
    floor: number,
    xType: DtypeCode,
  ): void;
  fp8QuantizeWeights(
    q: Address,
    scales: Address,
    rowScales: Address,
    w: Address,
    groups: number,
    n: number,
    k: number,
  ): void;
  fp8SwigluForward(
    h: Address,
    hScales: Address,
    gateUpQ: Address,
    gateUpScales: Address,
    gateUp: Address,
    rows: number,
    width: number,
    type: DtypeCode,
  ): void;
  fp8SwigluOutput(
    y: Address,
    gateUpQ: Address,
    gateUpScales: Address,
    rows: number,
    width: number,
    type: DtypeCode,
  ): void;
  fp8SwigluBackward(
    dgateUp: Address,
    dy: Address,
    gateUpQ: Address,
    gateUpScales: Address,
    rows: number,
    width: number,
    type: DtypeCode,
  ): void;
  rmsNormForward(
    y: Address,
    rstd: Address,
    x: Address,
    weight: Address,
    rows: number,
    dim: number,
    xStride: number,
    eps: number,
    type: DtypeCode,
  ): void;
  addRmsNormForward(
    y: Address,
    rstd: Address,
    sum: Address,
    a: Address,
    b: Address,
    weight: Address,
    rows: number,
    dim: number,
    eps: number,
    type: DtypeCode,
  ): void;
  rmsNormBackward(
    dx: Address,
    dweight: Address,
    dy: Address,
    x: Address,
    weight: Address,
    rstd: Address,
    rows: number,
    dim: number,
    xStride: number,
    accumulate: Flag,
    type: DtypeCode,
  ): void;
  rope(
    x: Address,
    cos: Address,
    sin: Address,
    positions: Address,
    rows: number,
    heads: number,
    rowStride: number,
    headStride: number,
    offset: number,
    ropeDim: number,
    sign: number,
    type: DtypeCode,
  ): void;
  attentionForward(
    o: Address,
    lse: Address,
    q: Address,
    kv: Address,
    kRope: Address,
    seqOffsets: Address,
    keyOffsets: Address,
    sequences: number,
    rows: number,
    heads: number,
    kvHeads: number,
    dn: number,
    dr: number,
    dv: number,
    kRopeStride: number,
    scale: number,
    type: DtypeCode,
  ): void;
  attentionBackward(
    dq: Address,
    dkv: Address,
    dkRope: Address,
    dO: Address,
    q: Address,
    kv: Address,
    kRope: Address,
    o: Address,
    lse: Address,
    seqOffsets: Address,
    sequences: number,
    rows: number,
    heads: number,
    kvHeads: number,
    dn: number,
    dr: number,
    dv: number,
    kRopeStride: number,
    dkRopeStride: number,
    scale: number,
    type: DtypeCode,
  ): void;
  absorbQueries(
    y: Address,
    q: Address,
    w: Address,
    scales: Address,
    cos: Address,
    sin: Address,
    positions: Address,
    rows: number,
    heads: number,
    dn: number,
    dr: number,
    c: number,
    dv: number,
    group: number,
    type: DtypeCode,
    wType: DtypeCode | QuantFormatCode,
  ): void;
  expandValues(
    y: Address,
    latent: Address,
    w: Address,
    scales: Address,
    rows: number,
    heads: number,
    dn: number,
    c: number,
    dv: number,
    group: number,
    type: DtypeCode,
    wType: DtypeCode | QuantFormatCode,
  ): void;
  writeLatents(
    cache: Address,
    latent: Address,
    kRope: Address,
    slots: Address,
    rows: number,
    c: number,
    dr: number,
    type: DtypeCode,
    cacheType: DtypeCode,
  ): void;
  readLatents(
    latent: Address,
    kRope: Address,
    cache: Address,
    slots: Address,
    rows: number,
    c: number,
    dr: number,
    type: DtypeCode,
    cacheType: DtypeCode,
  ): void;
  appendLatents(
    cache: Address,
    z: Address,
    weight: Address,
    cos: Address,
    sin: Address,
    positions: Address,
    slots: Address,
    rows: number,
    c: number,
    dr: number,
    eps: number,
    type: DtypeCode,
    cacheType: DtypeCode,
  ): void;
  mlaDecode(
    o: Address,
    q: Address,
    cache: Address,
    blockTable: Address,
    lengths: Address,
    rows: number,
    heads: number,
    c: number,
    dr: number,
    pageSize: number,
    maxPages: number,
    scale: number,
    type: DtypeCode,
    cacheType: DtypeCode,
  ): void;
  swigluForward(y: Address, gateUp: Address, rows: number, width: number, type: DtypeCode): void;
  swigluBackward(dgateUp: Address, dy: Address, gateUp: Address, rows: number, width: number, type: DtypeCode): void;
  routerForward(
    experts: Address,
    weights: Address,
    scores: Address,
    logits: Address,
    bias: Address,
    rows: number,
    e: number,
    k: number,
    groups: number,
    keptGroups: number,
    scoring: number,
    method: number,
    normTopk: Flag,
    scale: number,
  ): void;
  routerBackward(
    dlogits: Address,
    dweights: Address,
    dscores: Address,
    experts: Address,
    scores: Address,
    rows: number,
    e: number,
    k: number,
    scoring: number,
    normTopk: Flag,
    scale: number,
  ): void;
  routerStatistics(
    meanScores: Address,
    topCounts: Address,
    scores: Address,
    seqOffsets: Address,
    sequences: number,
    e: number,
    k: number,
    normalize: Flag,
  ): void;
  routerStatisticsBackward(
    dscores: Address,
    dmean: Address,
    scores: Address,
    seqOffsets: Address,
    sequences: number,
    e: number,
    normalize: Flag,
  ): void;
  expertCounts(counts: Address, experts: Address, seqOffsets: Address, sequences: number, e: number, k: number): void;
  moeSort(
    offsets: Address,
    rowSlot: Address,
    slotRow: Address,
    experts: Address,
    rows: number,
    k: number,
    e: number,
  ): void;
  permuteForward(
    y: Address,
    x: Address,
    rowSlot: Address,
    sorted: number,
    k: number,
    dim: number,
    type: DtypeCode,
  ): void;
  permuteBackward(
    dx: Address,
    dy: Address,
    slotRow: Address,
    rows: number,
    k: number,
    dim: number,
    accumulate: Flag,
    type: DtypeCode,
  ): void;
  combineForward(
    y: Address,
    x: Address,
    weights: Address,
    slotRow: Address,
    shared: Address,
    rows: number,
    k: number,
    dim: number,
    type: DtypeCode,
  ): void;
  combineBackward(
    dx: Address,
    dweights: Address,
    dy: Address,
    x: Address,
    weights: Address,
    slotRow: Address,
    rows: number,
    k: number,
    dim: number,
    type: DtypeCode,
  ): void;
  embeddingForward(
    y: Address,
    table: Address,
    ids: Address,
    rows: number,
    dim: number,
    vocab: number,
    type: DtypeCode,
    tableType: DtypeCode,
  ): void;
  embeddingBackward(
    dtable: Address,
    dy: Address,
    ids: Address,
    rows: number,
    dim: number,
    vocab: number,
    type: DtypeCode,
  ): void;
  crossEntropy(
    losses: Address,
    correct: Address,
    logits: Address,
    targets: Address,
    rows: number,
    vocab: number,
    gradient: Flag,
    gradScale: number,
    type: DtypeCode,
  ): void;
  adamw(
    p: Address,
    working: Address,
    m: Address,
    v: Address,
    grad: Address,
    n: number,
    gradScale: number,
    lr: number,
    beta1: number,
    beta2: number,
    eps: number,
    wd: number,
    bias1: number,
    bias2: number,
    momentType: DtypeCode,
  ): void;
  peakFlops(operations: Address, iterations: number, kind: number): void;
  peakRead(out: Address, x: Address, n: number, ahead: number): void;
  peakTriad(y: Address, a: Address, b: Address, n: number): void;
  peakUpdate(p: Address, m: Address, v: Address, g: Address, n: number): void;
}

/** The repository, or the package where npm has put it. */
const packageFolder = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

let loaded: Native | null = null;

/**
 * The addon, loaded at the first call. FATHOM_ISA forces an instruction set.
 * @throws Error with what to do if it is not built or cannot be loaded; RangeError if FATHOM_ISA names a set this CPU lacks
 */
export function native(): Native {
  if (loaded) return loaded;
  const path = addonPath();
  if (!existsSync(path)) {
    const advice = `run \`npm run build\` in ${packageFolder}, which needs a C++ compiler (g++ or clang++)`;
    const error = new Error(`the native addon is not built (${path} is missing): ${advice}`);
    throw Object.assign(error, { code: "FATHOM_NOT_BUILT" });
  }
  let addon: Native;
  try {
    addon = createRequire(import.meta.url)(path) as Native;
  } catch (error) {
    const why = new Error(
      `${path} does not load (${(error as Error).message}): remove build/ and run \`npm run build\``,
    );
    throw Object.assign(why, { code: "FATHOM_NOT_LOADED" });
  }
  const isa = process.env.FATHOM_ISA;
  if (isa && !addon.selectIsa(isa)) {
    throw new RangeError(`FATHOM_ISA=${isa}: this machine runs ${addon.isas().replaceAll(",", ", ")}`);
  }
  loaded = addon;
  return addon;
}

/** Whether bf16 products are faster than float32 ones here, and not only smaller (native/kernels/words.h). */
export function hasFastBfloat16(): boolean {
  return native().isa() === "avx512bf16";
}

/** Where the build script puts the addon; FATHOM_NATIVE names another one (the sanitizer build in tests). */
function addonPath(): string {
  if (process.env.FATHOM_NATIVE) return process.env.FATHOM_NATIVE;
  return join(packageFolder, "build", "native", "fathom.node");
}
