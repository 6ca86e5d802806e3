// Packing for the matrix product: copies parts of A and B into the panels that the register tile (gemm_tile.h) reads in order,
// converting mixed types to f32 or, with Dot, pairing neighbours in k. Panels are filled up with zeros.
#pragma once
#include "gemm_tile.h"

namespace fathom {
namespace FATHOM_ISA {

// Words [p, p + count) of a row that is contiguous in k; k is the row's length in elements. count <= W; the rest is zero.
template <bool Dot, typename T>
inline vf load_along_k(const T* row, int64_t p, int64_t count, int64_t k) {
  if constexpr (Dot) {
    const bf16* at = row + 2 * p;
    if (2 * (p + W) <= k) return load(reinterpret_cast<const float*>(at));
    bf16 pairs[2 * W] = {};
    int64_t elements = 2 * count < k - 2 * p ? 2 * count : k - 2 * p;
    memcpy(pairs, at, size_t(elements) * sizeof(bf16));
    return load(reinterpret_cast<const float*>(pairs));
  } else {
    (void)k;
    return count >= W ? load(row + p) : load_part(row + p, count);
  }
}

// Word p of `count` neighbouring rows or columns, out of a matrix whose rows run across k (element (k, i) at x[k * ld + i]).
template <bool Dot, typename T>
inline vf load_across_k(const T* x, int64_t ld, int64_t p, int64_t i, int64_t count, int64_t k) {
  if constexpr (Dot) {
    const bf16* at = x + 2 * p * ld + i;
    vu low, high{};
    auto bits = [&](const bf16* from) {
      vf y = count >= W ? load(from) : load_part(from, count);
      return reinterpret_cast<vu&>(y);
    };
    low = bits(at) >> 16;
    if (2 * p + 1 < k) high = bits(at + ld);
    vu both = low | high;
    return reinterpret_cast<vf&>(both);
  } else {
    (void)k;
    const T* at = x + p * ld + i;
    return count >= W ? load(at) : load_part(at, count);
  }
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

// One panel of op(B): columns [j, j + count), all `words` of k, to y [words][kTileColumns].
template <bool Dot, typename T>
void pack_b_panel(float* y, const T* b, int64_t ldb, bool transposed, int64_t j, int64_t count, int64_t k) {
  int64_t words = Dot ? (k + 1) / 2 : k;
  for (int v = 0; v < kTileVectors; v++) {
    int64_t here = count - v * W < W ? count - v * W : W;
    if (here < 0) here = 0;
    int64_t first = j + v * W;
    float* to = y + v * W;
    if (!transposed) {
      for (int64_t p = 0; p < words; p++)
        store(to + p * kTileColumns, here > 0 ? load_across_k<Dot>(b, ldb, p, first, here, k) : zero());
      continue;
    }
    for (int64_t p = 0; p < words; p += W) {
      int64_t part = words - p < W ? words - p : W;
      vf block[W];
#pragma GCC unroll 16
      for (int i = 0; i < W; i++) block[i] = i < here ? load_along_k<Dot>(b + (first + i) * ldb, p, part, k) : zero();
      transpose(block);
      if (part == W) {
#pragma GCC unroll 16
        for (int i = 0; i < W; i++) store(to + (p + i) * kTileColumns, block[i]);
      } else {
        for (int i = 0; i < part; i++) store(to + (p + i) * kTileColumns, block[i]);
      }
    }
  }
}

// Rows [row, row + rows) of op(A), words [p, p + count) of k, to tiles of kTileRows rows, kRowStride * kTileRows floats apart.
template <bool Dot, typename T>
void pack_a_block(float* y, const T* a, int64_t lda, bool transposed, int64_t row, int64_t rows, int64_t p, int64_t count,
                  int64_t k) {
  for (int64_t i = 0; i < rows; i += kTileRows, y += kTileRows * kRowStride) {
    int64_t here = rows - i < kTileRows ? rows - i : kTileRows;
    if (!transposed) {
      for (int64_t r = 0; r < here; r++) {
        const T* from = a + (row + i + r) * lda;
        for (int64_t q = 0; q < count; q += W)
          store(y + r * kRowStride + q, load_along_k<Dot>(from, p + q, count - q < W ? count - q : W, k));
      }
      continue;
    }
    // Each store may write past its kTileRows words; the next one, further up, puts that right.
    for (int64_t q = 0; q < count; q++)
      for (int64_t r = 0; r < here; r += W)
        store(y + q * kTileRows + r, load_across_k<Dot>(a, lda, p + q, row + i + r, here - r < W ? here - r : W, k));
  }
}

}  // namespace FATHOM_ISA
}  // namespace fathom
