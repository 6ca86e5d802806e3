// The register tile of the matrix product: C[M, NR] (+)= A[M, kc] * B[kc, NR] from packed f32 panels, M <= MR rows of accumulators
// kept in registers while k runs (Goto & van de Geijn 2008; Van Zee & van de Geijn 2015). Every output is one chain of multiply-adds
// in ascending k, whatever M is: a row alone gives the bits it gives in a batch.
// bf16 is widened while packing: VDPBF16PS was measured at half the rate of two f32 multiply-adds a cycle (Emerald Rapids), and it
// takes denormals as zero.
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
constexpr int kDepth = 256;              // of k in one block; fixed, because it orders the sums
constexpr int kRowStride = kDepth + 16;  // packed A rows are this far apart (no power of two: 14 rows must not share a cache set)

// c[i, j] = (add ? c[i, j] : 0) + sum over p of A[i, p] * B[p, j]. Packed A is [M][kRowStride] (rows) or, if KMajor,
// [kc][kTileRows]; packed B is [kc][kTileColumns].
template <int M, bool KMajor>
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
      for (int v = 0; v < kTileVectors; v++) acc[i][v] = fma(value, row[v], acc[i][v]);
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

template <bool KMajor, int... I>
inline TileProduct tile_product_of(int rows, std::integer_sequence<int, I...>) {
  static constexpr TileProduct table[] = {tile_product<I + 1, KMajor>...};
  return table[rows - 1];
}
// The tile for `rows` in [1, kTileRows].
inline TileProduct tile_product_for(int rows, bool k_major) {
  constexpr auto each = std::make_integer_sequence<int, kTileRows>{};
  return k_major ? tile_product_of<true>(rows, each) : tile_product_of<false>(rows, each);
}

}  // namespace FATHOM_ISA
}  // namespace fathom
