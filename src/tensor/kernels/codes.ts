/** The numbers that kernels are told addresses, types and flags by. */

/** A native address; null is the null pointer where a kernel allows it. */
export type Address = number | null;
/** 0 f32, 1 bf16, 2 f8_e4m3, 3 f16, 4 f12_e5m6. */
export type DtypeCode = 0 | 1 | 2 | 3 | 4;
/** QuantFormat of kernels.h: E4M3, int8, int4. */
export type QuantFormatCode = 0 | 1 | 2;
export type Flag = 0 | 1;
