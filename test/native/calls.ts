/**
 * Kernel calls in a file, for the driver in native/driver: what to call, with which buffers, and what they must hold afterwards.
 *
 * Little-endian. u32 "FKC2", u32 calls; a call is a string (the kernel's JavaScript name), u32 buffers, then per buffer u32 element
 * type, u32 role, f64 absolute, f64 relative tolerance, u32 bytes from an aligned address to its first element, u32 bytes, the bytes before
 * the call and, for an output, the bytes expected after it; then u32 arguments, per argument u32 kind (0 number, 1 null, 2 buffer) and f64 (number, or index of the buffer). A string
 * is u32 bytes and UTF-8.
 *
 * Expectations are either given, or recorded by running the call on the addon's portable path, which the kernel tests hold against
 * naive twins.
 */
import { type Native, native } from "../../src/tensor/native.js";
import { bf16Bits, bf16Value } from "../kernels/memory.js";

export const elementTypes = ["f32", "bf16", "i32", "u8", "f64", "f16"] as const;
export type ElementType = (typeof elementTypes)[number];
const elementBytes: Readonly<Record<ElementType, number>> = { f32: 4, bf16: 2, i32: 4, u8: 1, f64: 8, f16: 2 };
const roles = ["input", "output", "ignored"] as const;

/** A buffer that a call reads or writes. `expected` is null until the call is recorded, and always for inputs. */
export interface Operand {
  readonly type: ElementType;
  readonly role: (typeof roles)[number];
  readonly initial: Uint8Array;
  readonly absolute: number;
  readonly relative: number;
  /** Bytes from an aligned address to the first element. */
  readonly offset: number;
  expected: Uint8Array | null;
}

export type CallArgument = number | null | Operand;
export interface KernelCall {
  readonly kernel: string;
  readonly args: readonly CallArgument[];
}

export function toBytes(values: ArrayLike<number>, type: ElementType): Uint8Array {
  const array =
    type === "f32"
      ? Float32Array.from(values)
      : type === "f64"
        ? Float64Array.from(values)
        : type === "i32"
          ? Int32Array.from(values)
          : type === "u8"
            ? Uint8Array.from(values)
            : type === "bf16"
              ? Uint16Array.from(Array.from(values, bf16Bits))
              : Uint16Array.from(values); // f16: the bits
  return new Uint8Array(array.buffer);
}

/** What a recorded output holds, as numbers (f16 as bits). */
export function valuesOf(operand: Operand): number[] {
  const bytes = (operand.expected ?? operand.initial).slice().buffer;
  if (operand.type === "f32") return [...new Float32Array(bytes)];
  if (operand.type === "f64") return [...new Float64Array(bytes)];
  if (operand.type === "i32") return [...new Int32Array(bytes)];
  if (operand.type === "u8") return [...new Uint8Array(bytes)];
  const bits = [...new Uint16Array(bytes)];
  return operand.type === "bf16" ? bits.map(bf16Value) : bits;
}

export function input(values: ArrayLike<number>, type: ElementType = "f32"): Operand {
  return { type, role: "input", initial: toBytes(values, type), absolute: 0, relative: 0, offset: 0, expected: null };
}

/** A buffer that the call overwrites or adds to: its values before the call, and how far from the expectation it may end. */
export function output(values: ArrayLike<number>, type: ElementType, absolute: number, relative: number): Operand {
  return { type, role: "output", initial: toBytes(values, type), absolute, relative, offset: 0, expected: null };
}

/** A buffer whose contents after the call say nothing. */
export function ignored(values: ArrayLike<number>, type: ElementType): Operand {
  return { type, role: "ignored", initial: toBytes(values, type), absolute: 0, relative: 0, offset: 0, expected: null };
}

/** The same buffer, `elements` past an aligned address, as rows of a matrix and tensors of a mapped file lie. */
export function placed(operand: Operand, elements: number): Operand {
  return { ...operand, offset: elements * elementBytes[operand.type] };
}

function kernelOf(name: string): (...args: (number | null)[]) => void {
  const addon: Native = native();
  const found: unknown = Reflect.get(addon, name);
  if (typeof found !== "function") throw new RangeError(`the addon has no kernel ${name}`);
  return (...args) => void Reflect.apply(found, undefined, args);
}

/** Runs the call on the addon as it is set up and returns the bytes of every operand afterwards. */
export function runCall(call: KernelCall): Map<Operand, Uint8Array> {
  const memory = new Map<Operand, Uint8Array>();
  const args = call.args.map((arg) => {
    if (arg === null || typeof arg === "number") return arg;
    const block = native().alloc(arg.offset + arg.initial.length);
    const view = new Uint8Array(block.buffer, arg.offset, arg.initial.length);
    view.set(arg.initial);
    memory.set(arg, view);
    return block.address + arg.offset;
  });
  kernelOf(call.kernel)(...args);
  return new Map([...memory].map(([operand, view]) => [operand, view.slice()]));
}

/** A list of calls whose outputs are recorded on the portable path as they are added. */
export class Recorder {
  readonly calls: KernelCall[] = [];

  record(kernel: string, ...args: CallArgument[]): void {
    const call: KernelCall = { kernel, args };
    const best = native().isa();
    native().selectIsa("portable");
    try {
      for (const [operand, bytes] of runCall(call)) if (operand.role === "output") operand.expected = bytes;
    } finally {
      native().selectIsa(best);
    }
    this.calls.push(call);
  }
}

/** The file of `calls`. @throws Error if an output has no expectation */
export function encodeCalls(calls: readonly KernelCall[]): Buffer {
  const parts: Buffer[] = [Buffer.from("FKC2")];
  const u32 = (value: number): void => {
    const b = Buffer.alloc(4);
    b.writeUInt32LE(value);
    parts.push(b);
  };
  const f64 = (value: number): void => {
    const b = Buffer.alloc(8);
    b.writeDoubleLE(value);
    parts.push(b);
  };
  u32(calls.length);
  for (const { kernel, args } of calls) {
    u32(Buffer.byteLength(kernel));
    parts.push(Buffer.from(kernel));
    const operands = args.filter((arg) => arg !== null && typeof arg !== "number");
    u32(operands.length);
    for (const operand of operands) {
      u32(elementTypes.indexOf(operand.type));
      u32(roles.indexOf(operand.role));
      f64(operand.absolute);
      f64(operand.relative);
      u32(operand.offset);
      u32(operand.initial.length);
      parts.push(Buffer.from(operand.initial));
      if (operand.role !== "output") continue;
      if (operand.expected?.length !== operand.initial.length)
        throw new Error(`${kernel}: an output has ${operand.expected?.length ?? "no"} bytes expected`);
      parts.push(Buffer.from(operand.expected));
    }
    u32(args.length);
    for (const arg of args) {
      u32(arg === null ? 1 : typeof arg === "number" ? 0 : 2);
      f64(arg === null ? 0 : typeof arg === "number" ? arg : operands.indexOf(arg));
    }
  }
  return Buffer.concat(parts);
}
