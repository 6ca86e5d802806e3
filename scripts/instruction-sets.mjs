/** Instruction sets of x86-64 that the kernels are compiled for, with the compiler's flags. */
const avx2 = ["-mavx2", "-mfma", "-mf16c"];
const avx512 = [
  ...avx2,
  ...["-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mavx512bf16", "-mavx512vbmi"],
  "-mprefer-vector-width=512",
];

/** avx512bf16 multiplies bf16 by dot products, avx512 after widening: which is faster depends on the processor (gemm_tile.h). */
export const x86 = { avx2, avx512, avx512bf16: [...avx512, "-DFATHOM_BF16_DOT"] };
