// The register tile of the matrix product: C[M, NR] (+)= A[M, kc] * B[kc, NR] from packed panels of words (words.h), M <= MR rows of accumulators kept in
// registers while k runs (Goto & van de Geijn 2008; Van Zee & van de Geijn 2015). Every output is one chain of multiply-adds in
// ascending k, whatever M is: a row alone gives the bits it gives in a batch.
#pragma once
#include <utility>

#include "words.h"

namespace fathom {
namespace FATHOM_ISA {

#if defined(__AVX512F__)
constexpr int kTileRows = 14, kTileVectors = 2;  // 28 accumulators, 2 of B, 1 of A, of 32 registers
#elif defined(__aarch64__)
constexpr int kTileRows = 7, kTileVectors = 3;  // 21 accumulators, 3 of B, 7 of A, of 32
#else
constexpr int kTileRows = 6, kTileVectors = 2;  // 12 of 16 registers
#endif
constexpr int kTileColumns = kTileVectors * W;
constexpr int kDepth = 512;              // words of k in one block; fixed, because it orders the sums
constexpr int kRowStride = kDepth + 16;  // packed A rows are this far apart (no power of two: 14 rows must not share a cache set)

// Consecutive words of k that share their scales.
struct Segment {
  int64_t words, block;
};

// The segments of a panel with the scales of the tile's rows and columns in each; rows and columns are counted from the tile's first.
struct TileScales {
  const Segment* segment;
  int count;
  const float *rows, *columns;
  int64_t row_ld, column_ld;  // from one segment to the next
};

// c[i, j] = (add ? c[i, j] : 0) + sum over p of A[i, p] * B[p, j], for V vectors of columns and kc words. A is rows lda words apart (packed:
// kRowStride) or, if KMajor, packed [kc][kTileRows]; packed B is [kc][kTileColumns]. Scaled: the sum over each segment is multiplied by its scales.
template <typename Words, int M, int V, bool KMajor, bool Scaled>
void tile_product(float* c, int64_t ldc, const float* a, int64_t lda, const float* b, int64_t kc, bool add, const TileScales* scales) {
#pragma GCC unroll 16
  for (int i = 0; i < M; i++)
#pragma GCC unroll 4
    for (int v = 0; v < V; v++) __builtin_prefetch(c + i * ldc + v * W, 1);
  for (int s = 0; s < (Scaled ? scales->count : 1); s++) {
    vf acc[M][V];
#pragma GCC unroll 16
    for (int i = 0; i < M; i++)
#pragma GCC unroll 4
      for (int v = 0; v < V; v++) acc[i][v] = zero();
    for (int64_t p = 0, end = Scaled ? scales->segment[s].words : kc; p < end; p++) {
      vf row[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; v++) row[v] = load(b + v * W);
#pragma GCC unroll 16
      for (int i = 0; i < M; i++) {
        vf value = Words::broadcast(KMajor ? a + i : a + i * lda);
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) acc[i][v] = Words::multiply_add(value, row[v], acc[i][v]);
      }
      a += KMajor ? kTileRows : 1;
      b += kTileColumns;
    }
    vf of_columns[V];
    if constexpr (Scaled)
      for (int v = 0; v < V; v++) of_columns[v] = load(scales->columns + s * scales->column_ld + v * W);
#pragma GCC unroll 16
    for (int i = 0; i < M; i++)
#pragma GCC unroll 4
      for (int v = 0; v < V; v++) {
        float* at = c + i * ldc + v * W;
        vf sum = acc[i][v];
        if constexpr (Scaled) sum *= splat(scales->rows[s * scales->row_ld + i]) * of_columns[v];
        store(at, add ? load(at) + sum : sum);
      }
    add = true;
  }
}

using TileProduct = void (*)(float*, int64_t, const float*, int64_t, const float*, int64_t, bool, const TileScales*);

template <typename Words, int V, bool KMajor, bool Scaled, int... I>
inline TileProduct tile_product_of(int rows, std::integer_sequence<int, I...>) {
  static constexpr TileProduct table[] = {tile_product<Words, I + 1, V, KMajor, Scaled>...};
  return table[rows - 1];
}
// The tile for `rows` in [1, kTileRows]; a panel whose columns fit into one vector takes a narrow one.
template <typename Words, bool Scaled>
inline TileProduct tile_product_for(int rows, int64_t columns, bool k_major) {
  constexpr auto each = std::make_integer_sequence<int, kTileRows>{};
  constexpr int V = kTileVectors;
  if (columns <= W) return k_major ? tile_product_of<Words, 1, true, Scaled>(rows, each) : tile_product_of<Words, 1, false, Scaled>(rows, each);
  return k_major ? tile_product_of<Words, V, true, Scaled>(rows, each) : tile_product_of<Words, V, false, Scaled>(rows, each);
}

}  // namespace FATHOM_ISA
}  // namespace fathom
