/**
 * The kernels of everything between the products: element by element, norms, attention, routing, the head and the optimizer.
 * What each kernel computes, its shapes and what it overwrites stand in native/kernels/kernels.h, argument for argument; a test holds
 * both lists equal. Addresses are numbers (48 bits fit a double). Nothing here checks shapes: the ops do, and they own every buffer.
 */
import type { Address, DtypeCode, Flag, QuantFormatCode } from "./codes.js";

export interface LayerKernels {
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
  randomUniform(y: Address, n: number, seed: number, stream: number, start: number, bound: number): void;
  dropout(
    y: Address,
    x: Address,
    n: number,
    seed: number,
    stream: number,
    rate: number,
    accumulate: Flag,
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
    entropies: Address,
    logits: Address,
    targets: Address,
    rowScales: Address,
    rows: number,
    vocab: number,
    gradient: Flag,
    gradScale: number,
    inverseTemperature: number,
    type: DtypeCode,
  ): void;
  drawTokens(
    ids: Address,
    logprobs: Address,
    logits: Address,
    inverseTemperatures: Address,
    draws: Address,
    rows: number,
    width: number,
    usable: number,
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
