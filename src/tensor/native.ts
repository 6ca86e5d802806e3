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
import type { LayerKernels } from "./kernels/layers.js";
import type { ProductKernels } from "./kernels/products.js";

export type { Address, DtypeCode, Flag, QuantFormatCode } from "./kernels/codes.js";

/** Native memory: the buffer is a view of the bytes at `address`. */
export interface Block {
  readonly buffer: ArrayBuffer;
  readonly address: number;
  readonly bytes: number;
}

/** avx512bf16 and avx512 differ in how they multiply bf16 (gemm_tile.h). */
export type Isa = "avx512bf16" | "avx512" | "avx2" | "portable";

export interface Native extends ProductKernels, LayerKernels {
  /** Zero-filled, at least 64-byte aligned; freed when the last view is collected, or its pages at once by `release`. */
  alloc(bytes: number): Block;
  release(address: number, bytes: number): void;
  /** Drops the whole pages of a range from the process's memory: those of a file map are read again when they are touched, others are zero. */
  forget(address: number, bytes: number): void;
  /** Private copy-on-write map of a whole file. @throws RangeError with the system's reason */
  mapFile(path: string): Block;
  /**
   * Whether reading what is gone of a map (its file was cut short meanwhile, or the disk fails) gives zeros from there to the map's end and
   * marks it as damaged. If not, as at first, that ends the process.
   */
  watchMap(address: number, isWatched: boolean): void;
  isMapDamaged(address: number): boolean;
  /** Maps damaged since the process began; cheap enough to be asked in every step. */
  damagedMaps(): number;
  /** @throws RangeError unless 1 <= count <= 1024 */
  setThreads(count: number): void;
  /** False if this CPU cannot run it. */
  selectIsa(name: string): boolean;
  isa(): Isa;
  /** What this CPU can run, best first, joined by commas. */
  isas(): string;
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
  loaded = { ...addon }; // In a form whose properties compiled code finds at once.
  return loaded;
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
