/**
 * Elements between files and tensors: every floating type that a checkpoint has into every one that a parameter has, FP8 weights by their
 * blocks' scales (model.md B4), and back in chunks, so that writing takes a few megabytes whatever the model's size.
 */
import { Arena } from "../tensor/arena.js";
import { bytesPerElement, type Dtype, quantFormat } from "../tensor/dtype.js";
import { type DtypeCode, native } from "../tensor/native.js";
import type { Parameter } from "../tensor/parameter.js";
import { Tensor } from "../tensor/tensor.js";
import type { HfTensor, Slice } from "./hfNames.js";
import { byteLength, type FileDtype, type SafetensorsFile } from "./safetensors.js";
import type { FoundTensor, TensorFiles } from "./tensorFiles.js";

export type FloatDtype = Exclude<Dtype, "int32" | "int8" | "int4" | "float12_e5m6">;

const fileDtypes: Readonly<Record<FloatDtype, FileDtype>> = {
  float32: "F32",
  bfloat16: "BF16",
  float16: "F16",
  float8_e4m3fn: "F8_E4M3",
};
const codes: Readonly<Record<FloatDtype, DtypeCode>> = { float32: 0, bfloat16: 1, float8_e4m3fn: 2, float16: 3 };

export function fileDtypeOf(dtype: FloatDtype): FileDtype {
  return fileDtypes[dtype];
}

function floatDtypeOf({ name, dtype, file }: FoundTensor): FloatDtype {
  switch (dtype) {
    case "F32":
      return "float32";
    case "BF16":
      return "bfloat16";
    case "F16":
      return "float16";
    case "F8_E4M3":
      return "float8_e4m3fn";
    default:
      throw new RangeError(
        `${file.path}: ${name} is ${dtype}, expected one of ${Object.values(fileDtypes).join(", ")}`,
      );
  }
}

function isFloat(dtype: Dtype): dtype is FloatDtype {
  return dtype in codes;
}

/** Elements from one address to another; the same bits where the types are equal. */
function copyElements(to: number, toDtype: Dtype, from: number, fromDtype: FloatDtype, count: number): void {
  if (!isFloat(toDtype)) throw new TypeError(`internal: floats read into a tensor of ${toDtype}`);
  if (toDtype === fromDtype) copyBytes(to, from, count * bytesPerElement[toDtype]);
  else native().convert(to, from, count, codes[toDtype], codes[fromDtype]);
}

function copyBytes(to: number, from: number, bytes: number): void {
  native().copyRows(to, from, 1, bytes, bytes, bytes, 1);
}

/**
 * Copies elements [first, first + count) of a stored tensor to elements from `start` on of `target`, converting between floating types.
 * @throws RangeError for a stored type that is not floating
 */
export function readElements(found: FoundTensor, first: number, target: Tensor, start: number, count: number): void {
  const dtype = floatDtypeOf(found);
  const width = bytesPerElement[dtype];
  const begin = found.begin + first * width;
  withAligned(found.file, { begin, end: begin + count * width }, width, (address) => {
    copyElements(target.address + start * bytesPerElement[target.dtype], target.dtype, address, dtype, count);
  });
}

/**
 * Makes a parameter a view of its file, if the file holds its very elements one after the other: of the same type, unsliced, and where the
 * parameter is made of several tensors (gate and up projection, the experts of a layer) those in its order without a gap.
 * @param block edge of the square blocks of FP8 weights
 * @returns whether it did; scales are not read here
 * @throws RangeError for a tensor of another shape
 */
export function mapParameter(
  files: TensorFiles,
  parts: readonly HfTensor[],
  parameter: Parameter,
  block: number,
): boolean {
  const { dtype } = parameter.data;
  if (parameter.scales && parameter.scales.group !== block) return false;
  const found = parts.map(({ name }) => files.need(name));
  const [first] = found;
  if (!first || !isFloat(dtype)) return false;
  let [at, start] = [first.begin, 0];
  for (const [i, { shape, slices }] of parts.entries()) {
    const tensor = found[i] ?? first;
    checkShape(tensor, shape);
    const isNext =
      slices.length === 1 && slices[0]?.start === start && tensor.file === first.file && tensor.begin === at;
    if (!isNext || tensor.dtype !== fileDtypes[dtype]) return false;
    at = tensor.end;
    start += slices[0]?.length ?? 0;
  }
  const place = first.file.place({ begin: first.begin, end: at });
  if (!place || place.offset % bytesPerElement[dtype] !== 0) return false;
  // Untouched as it is, it may lie in a large page that a neighbour has touched.
  native().forget(parameter.data.address, parameter.data.size * bytesPerElement[dtype]);
  parameter.data.free();
  parameter.data = Tensor.over(place, parameter.shape, dtype);
  return true;
}

/** A place in a file as kernels can read it: itself, or a copy where the file puts it at an odd address. */
function withAligned(
  file: SafetensorsFile,
  range: { readonly begin: number; readonly end: number },
  width: number,
  use: (address: number) => void,
): void {
  const bytes = range.end - range.begin;
  if (bytes === 0) return;
  file.at(range, (address) => {
    if (address % width === 0) {
      use(address);
      return;
    }
    const copy = native().alloc(bytes);
    copyBytes(copy.address, address, bytes);
    use(copy.address);
    native().release(copy.address, copy.bytes);
  });
}

/**
 * Fills the slices of `target` that a checkpoint tensor is.
 * @param block edge of the square blocks of FP8 weights
 * @throws RangeError for a tensor of another shape or type, or FP8 without its scales
 */
export function readTensor(files: TensorFiles, part: HfTensor, target: Tensor, block: number): void {
  const found = files.need(part.name);
  checkShape(found, part.shape);
  if (found.dtype === "F8_E4M3") {
    const values = native().alloc(4 * byteLength(found));
    dequantize(files, found, values.address, block);
    let at = values.address;
    for (const { start, length } of part.slices) {
      const to = target.address + start * bytesPerElement[target.dtype];
      copyElements(to, target.dtype, at, "float32", length);
      at += 4 * length;
    }
    native().release(values.address, values.bytes);
    return;
  }
  let first = 0;
  for (const { start, length } of part.slices) {
    readElements(found, first, target, start, length);
    first += length;
  }
}

/** @throws RangeError naming file, tensor, both shapes */
function checkShape({ name, shape, file }: FoundTensor, expected: readonly number[]): void {
  if (shape.length === expected.length && shape.every((extent, i) => extent === expected[i])) return;
  throw new RangeError(
    `${file.path}: ${name} has shape [${shape.join(", ")}], expected [${expected.join(", ")}] by config.json`,
  );
}

/** @param to address of as many float32 */
function dequantize(files: TensorFiles, found: FoundTensor, to: number, block: number): void {
  const [rows = 0, columns = 0] = found.shape;
  const scale = scalesOf(files, found, block);
  withAligned(scale.file, scale, 4, (scales) => {
    withAligned(found.file, found, 1, (values) => {
      native().dequantizeFp8Blocks(to, values, scales, rows, columns, block, 0);
    });
  });
}

/** The scales of an E4M3 matrix. @throws RangeError if they are missing or of another shape or type */
function scalesOf(files: TensorFiles, found: FoundTensor, block: number): FoundTensor {
  const where = `${found.file.path}: ${found.name} is F8_E4M3`;
  const [rows = 0, columns = 0] = found.shape;
  if (found.shape.length !== 2) throw new RangeError(`${where} and not a matrix, which its blocks need`);
  const scale = files.get(`${found.name}_scale_inv`);
  if (!scale) throw new RangeError(`${where}, but ${found.name}_scale_inv is missing`);
  checkShape(scale, [Math.ceil(rows / block), Math.ceil(columns / block)]);
  if (scale.dtype !== "F32") throw new RangeError(`${scale.file.path}: ${scale.name} is ${scale.dtype}, expected F32`);
  return scale;
}

/**
 * Fills the rows of a quantised parameter that a tensor is: E4M3 as it is stored, other types quantised.
 * @throws RangeError for a tensor of another shape, without scales, or with a NaN, which no weight is
 */
export function readQuantized(files: TensorFiles, part: HfTensor, target: Parameter, block: number): void {
  const found = files.need(part.name);
  checkShape(found, part.shape);
  const isStored = found.dtype === "F8_E4M3" && target.data.dtype === "float8_e4m3fn" && target.scales?.group === block;
  if (!isStored) {
    quantize(files, part, target, block);
    return;
  }
  readScales(files, found, part, target, block);
  withAligned(found.file, found, 1, (values) => {
    let at = values;
    for (const { start, length } of part.slices) {
      copyBytes(target.data.address + start, at, length);
      at += length;
    }
    checkNumbers(found, values);
  });
}

/**
 * What is left to read of a quantised parameter whose values are a view of the file: the scales.
 * @throws RangeError for values without scales, or a NaN
 */
export function readMappedScales(
  files: TensorFiles,
  parts: readonly HfTensor[],
  target: Parameter,
  block: number,
): void {
  for (const part of parts) readScales(files, files.need(part.name), part, target, block);
  const { address, size } = target.data;
  const at = firstNan(address, size);
  if (at < 0) return;
  // The parts follow each other.
  for (const { name, slices } of parts) {
    const [start = 0, length = 0] = [slices[0]?.start, slices[0]?.length];
    if (at >= start && at < start + length) refuseNan(files.need(name), at - start);
  }
}

function quantize(files: TensorFiles, part: HfTensor, { data, scales, shape }: Parameter, block: number): void {
  if (!scales) throw new Error(`internal: ${part.name} quantised without a place for scales`);
  const columns = shape.at(-1) ?? 1;
  const perRow = scales.values.columns;
  const whole = Tensor.empty(new Arena(), part.shape, "float32");
  readTensor(files, { ...part, slices: [{ start: 0, length: whole.size }] }, whole, block);
  let first = 0;
  for (const { start, length } of part.slices) {
    native().quantizeRows(
      data.address + start * bytesPerElement[data.dtype],
      scales.values.address + (start / columns) * perRow * 4,
      whole.address + first * 4,
      length / columns,
      columns,
      scales.group,
      quantFormat(data.dtype),
      0,
    );
    first += length;
  }
  whole.free();
}

/** The scale of its block for each row. */
function readScales(
  files: TensorFiles,
  found: FoundTensor,
  part: HfTensor,
  { scales }: Parameter,
  block: number,
): void {
  if (!scales) throw new Error(`internal: ${part.name} without a place for scales`);
  const [, columns = 0] = part.shape;
  const scale = scalesOf(files, found, block);
  const { values } = scales;
  const [rowScales, perRow] = [values.floats(), values.columns];
  withAligned(scale.file, scale, 4, (address) => {
    let first = 0;
    for (const { start, length } of part.slices) {
      const rows = length / columns;
      for (let row = 0; row < rows; ) {
        const blockRow = Math.floor((first + row) / block);
        const alike = Math.min(rows, (blockRow + 1) * block - first) - row;
        const to = (start / columns + row) * perRow;
        copyBytes(values.address + 4 * to, address + 4 * blockRow * perRow, 4 * perRow);
        checkScales(scale, blockRow * perRow, rowScales.subarray(to, to + perRow));
        repeatRow(rowScales, to, perRow, alike);
        row += alike;
      }
      first += rows;
    }
  });
}

/** @param first index of the first of these scales in their tensor */
function checkScales({ name, file }: FoundTensor, first: number, scales: Float32Array): void {
  const bad = scales.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new RangeError(`${file.path}: ${name}[${first + bad}] is ${scales[bad]}, expected a number`);
}

/** Makes `count` copies of the row at `at` follow it, itself the first, each step as many as are there: row by row is slow for millions. */
function repeatRow(target: Float32Array, at: number, width: number, count: number): void {
  for (let done = 1; done < count; ) {
    const more = Math.min(done, count - done);
    target.copyWithin(at + done * width, at, at + more * width);
    done += more;
  }
}

function checkNumbers(found: FoundTensor, address: number): void {
  const at = firstNan(address, found.end - found.begin);
  if (at >= 0) refuseNan(found, at);
}

/** Index of the first NaN of E4M3 values, or -1. */
function firstNan(address: number, count: number): number {
  const result = native().alloc(64);
  const index = new Float64Array(result.buffer, 0, 1);
  native().findFp8Nan(result.address, address, count);
  const [at = -1] = index;
  native().release(result.address, result.bytes);
  return at;
}

function refuseNan({ name, file }: FoundTensor, at: number): never {
  throw new RangeError(`${file.path}: ${name} is NaN at element ${at}`);
}

const chunkElements = 1 << 20;

/** The bytes of a tensor's slices in another type, a few megabytes at a time; a chunk is overwritten when the next is asked for. */
export function* sliceChunks(source: Tensor, slices: readonly Slice[], dtype: FloatDtype): Iterable<Uint8Array> {
  if (!isFloat(source.dtype)) throw new TypeError(`internal: tensor of ${source.dtype} written as floats`);
  const width = bytesPerElement[source.dtype];
  if (source.dtype === dtype) {
    const bytes = source.bytes();
    for (const { start, length } of slices) {
      const end = (start + length) * width;
      for (let at = start * width; at < end; at += chunkElements * width) {
        yield bytes.subarray(at, Math.min(end, at + chunkElements * width));
      }
    }
    return;
  }
  const longest = slices.reduce((most, { length }) => Math.max(most, length), 0);
  const scratch = native().alloc(Math.min(chunkElements, longest) * bytesPerElement[dtype]);
  for (const { start, length } of slices) {
    for (let done = 0; done < length; done += chunkElements) {
      const count = Math.min(chunkElements, length - done);
      copyElements(scratch.address, dtype, source.address + (start + done) * width, source.dtype, count);
      yield new Uint8Array(scratch.buffer, 0, count * bytesPerElement[dtype]);
    }
  }
  native().release(scratch.address, scratch.bytes);
}
