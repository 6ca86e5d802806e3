// Packing for the matrix product: copies parts of A and B into the panels that the register tile (gemm_tile.h) reads in order,
// widening bf16 to f32. Panels are filled up with zeros.
#pragma once
#include "gemm_tile.h"

namespace fathom {
namespace FATHOM_ISA {

// `count` values, of which a vector takes at most W; the rest is zero.
template <typename T>
inline vf load_up_to(const T* x, int64_t count) {
  return count >= W ? load(x) : load_part(x, count);
}

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define FATHOM_HAS_SHUFFLE 1
#endif
#endif

#if defined(FATHOM_HAS_SHUFFLE)
// Exchanges the off-diagonal S x S blocks of rows i and i + S.
template <int S, int... J>
inline void exchange(vf& a, vf& b, std::integer_sequence<int, J...>) {
  vf upper = __builtin_shufflevector(a, b, ((J & S) ? W + J - S : J)...);
  b = __builtin_shufflevector(a, b, ((J & S) ? W + J : J + S)...);
  a = upper;
}
template <int S>
inline void exchange_all(vf* x) {
#pragma GCC unroll 16
  for (int i = 0; i < W; i++)
    if (!(i & S)) exchange<S>(x[i], x[i + S], std::make_integer_sequence<int, W>{});
}
#endif

// Turns W vectors of W words around: blocks of half the size change places, then quarters, down to single words.
inline void transpose(vf* x) {
#if defined(FATHOM_HAS_SHUFFLE)
  if constexpr (W >= 16) exchange_all<8>(x);
  if constexpr (W >= 8) exchange_all<4>(x);
  exchange_all<2>(x);
  exchange_all<1>(x);
#else
  float in[W][W], out[W][W];
  memcpy(in, x, sizeof in);
  for (int i = 0; i < W; i++)
    for (int j = 0; j < W; j++) out[i][j] = in[j][i];
  memcpy(x, out, sizeof out);
#endif
}

// One panel of op(B): columns [j, j + count), all k, to y [k][kTileColumns].
template <typename T>
void pack_b_panel(float* y, const T* b, int64_t ldb, bool transposed, int64_t j, int64_t count, int64_t k) {
  for (int v = 0; v < kTileVectors; v++) {
    int64_t here = count - v * W < W ? count - v * W : W;
    if (here < 0) here = 0;
    float* to = y + v * W;
    if (!transposed) {
      const T* from = b + j + v * W;
      if (here == W)
        for (int64_t p = 0; p < k; p++) store(to + p * kTileColumns, load(from + p * ldb));
      else
        for (int64_t p = 0; p < k; p++) store(to + p * kTileColumns, load_part(from + p * ldb, here));
      continue;
    }
    const T* from = b + (j + v * W) * ldb;
    int64_t p = 0;
    vf block[W];
    for (; here == W && p + W <= k; p += W) {
#pragma GCC unroll 16
      for (int i = 0; i < W; i++) block[i] = load(from + i * ldb + p);
      transpose(block);
#pragma GCC unroll 16
      for (int i = 0; i < W; i++) store(to + (p + i) * kTileColumns, block[i]);
    }
    for (; p < k; p += W) {
      int64_t part = k - p < W ? k - p : W;
      for (int i = 0; i < W; i++) block[i] = i < here ? load_up_to(from + i * ldb + p, part) : zero();
      transpose(block);
      for (int i = 0; i < part; i++) store(to + (p + i) * kTileColumns, block[i]);
    }
  }
}

// Rows [row, row + rows) of op(A), k in [p, p + count), to tiles of kTileRows rows, kRowStride * kTileRows floats apart.
template <typename T>
void pack_a_block(float* y, const T* a, int64_t lda, bool transposed, int64_t row, int64_t rows, int64_t p, int64_t count) {
  for (int64_t i = row; i < row + rows; i += kTileRows, y += kTileRows * kRowStride) {
    int64_t here = row + rows - i < kTileRows ? row + rows - i : kTileRows;
    if (!transposed) {
      for (int64_t r = 0; r < here; r++) {
        const T* from = a + (i + r) * lda + p;
        float* to = y + r * kRowStride;
        int64_t q = 0;
        for (; q + W <= count; q += W) store(to + q, load(from + q));
        if (q < count) store(to + q, load_part(from + q, count - q));
      }
      continue;
    }
    // A store may write past its kTileRows values; the next one, further up, puts that right.
    const T* from = a + p * lda + i;
    constexpr int parts = (kTileRows + W - 1) / W;
    for (int64_t q = 0; q < count; q++, from += lda)
#pragma GCC unroll 2
      for (int v = 0; v < parts; v++)
        if (here > v * W) store(y + q * kTileRows + v * W, load_up_to(from + v * W, here - v * W));
  }
}

}  // namespace FATHOM_ISA
}  // namespace fathom
