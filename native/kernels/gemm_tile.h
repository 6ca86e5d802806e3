// The register tile of the matrix product: C[M, NR] (+)= A[M, kc] * B[kc, NR] from packed panels, M <= MR rows of accumulators kept in
// registers while k runs (Goto & van de Geijn 2008; Van Zee & van de Geijn 2015). A packed "word" has 32 bits: one f32, or, with
// `Dot`, the bf16 pair of k = 2p and 2p + 1, which one instruction multiplies and adds (VDPBF16PS; it takes denormals as zero).
// Every output is one chain of multiply-adds in ascending k, whatever M is: a row alone gives the bits it gives in a batch.
#pragma once
#include <utility>

#include "simd.h"

namespace fathom {
namespace FATHOM_ISA {

#if defined(__AVX512F__)
constexpr int kTileRows = 14, kTileVectors = 2;  // 28 accumulators, 2 of B, 1 of A, of 32 registers
#elif defined(__aarch64__)
constexpr int kTileRows = 8, kTileVectors = 3;
#else
constexpr int kTileRows = 6, kTileVectors = 2;  // 12 of 16 registers
#endif
constexpr int kTileColumns = kTileVectors * W;
constexpr int kDepth = 256;               // words of k in one block; fixed, because it orders the sums
constexpr int kRowStride = kDepth + 16;   // packed A rows are this far apart (no power of two: 14 rows must not share a cache set)

#if defined(__AVX512BF16__)
constexpr bool kHasDot = true;
#else
constexpr bool kHasDot = false;
#endif

// acc += a * b in f32; with Dot, acc += the two bf16 products of each 32-bit lane.
template <bool Dot>
inline vf multiply_add(vf a, vf b, vf acc) {
#if defined(__AVX512BF16__)
  if constexpr (Dot) return (vf)_mm512_dpbf16_ps((__m512)acc, (__m512bh)a, (__m512bh)b);
#endif
  return fma(a, b, acc);
}

// c[i, j] = (add ? c[i, j] : 0) + sum over p of A[i, p] * B[p, j]. Packed A is [M][kRowStride] (rows) or, if KMajor,
// [kc][kTileRows]; packed B is [kc][kTileColumns].
template <int M, bool Dot, bool KMajor>
void tile_product(float* c, int64_t ldc, const float* a, const float* b, int64_t kc, bool add) {
  vf acc[M][kTileVectors];
#pragma GCC unroll 16
  for (int i = 0; i < M; i++)
#pragma GCC unroll 4
    for (int v = 0; v < kTileVectors; v++) acc[i][v] = zero();
  for (int64_t p = 0; p < kc; p++) {
    vf row[kTileVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kTileVectors; v++) row[v] = load(b + v * W);
#pragma GCC unroll 16
    for (int i = 0; i < M; i++) {
      vf value = splat(KMajor ? a[i] : a[i * kRowStride]);
#pragma GCC unroll 4
      for (int v = 0; v < kTileVectors; v++) acc[i][v] = multiply_add<Dot>(value, row[v], acc[i][v]);
    }
    a += KMajor ? kTileRows : 1;
    b += kTileColumns;
  }
#pragma GCC unroll 16
  for (int i = 0; i < M; i++)
#pragma GCC unroll 4
    for (int v = 0; v < kTileVectors; v++) {
      float* at = c + i * ldc + v * W;
      store(at, add ? load(at) + acc[i][v] : acc[i][v]);
    }
}

using TileProduct = void (*)(float*, int64_t, const float*, const float*, int64_t, bool);

template <bool Dot, bool KMajor, int... I>
inline TileProduct tile_product_of(int rows, std::integer_sequence<int, I...>) {
  static constexpr TileProduct table[] = {tile_product<I + 1, Dot, KMajor>...};
  return table[rows - 1];
}
// The tile for `rows` in [1, kTileRows].
inline TileProduct tile_product_for(int rows, bool dot, bool k_major) {
  constexpr auto each = std::make_integer_sequence<int, kTileRows>{};
  if constexpr (kHasDot) {
    if (dot) return k_major ? tile_product_of<true, true>(rows, each) : tile_product_of<true, false>(rows, each);
  }
  (void)dot;
  return k_major ? tile_product_of<false, true>(rows, each) : tile_product_of<false, false>(rows, each);
}

}  // namespace FATHOM_ISA
}  // namespace fathom
