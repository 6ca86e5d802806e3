// Packing for the matrix product: copies parts of A and B into the panels that the register tile (gemm_tile.h) reads in order, as words
// of one f32 value (bf16 is widened) or of two bf16 values of k. Panels are filled up with zeros.
#pragma once
#include "gemm_tile.h"

namespace fathom {
namespace FATHOM_ISA {

#if defined(FATHOM_HAS_SHUFFLE)
// Exchanges the off-diagonal S x S blocks of rows i and i + S.
template <int S, int... J>
inline void exchange(vf& a, vf& b, std::integer_sequence<int, J...>) {
  vf upper = __builtin_shufflevector(a, b, ((J & S) ? W + J - S : J)...);
  b = __builtin_shufflevector(a, b, ((J & S) ? W + J : J + S)...);
  a = upper;
}
// Leaves in each vector the sums of lanes S apart of two vectors, then goes on with S / 2, until the lanes of x[0] are whole sums.
template <int Count, int S>
inline void sum_halves(vf* x) {
  constexpr int left = Count > 1 ? Count / 2 : 1;
#pragma GCC unroll 8
  for (int i = 0; i < left; i++) {
    vf a = x[i], b = x[i + (Count > 1 ? left : 0)];
    exchange<S>(a, b, std::make_integer_sequence<int, W>{});
    x[i] = a + b;
  }
  if constexpr (S > 1) sum_halves<left, S / 2>(x);
}

template <int S>
inline void exchange_all(vf* x) {
#pragma GCC unroll 16
  for (int i = 0; i < W; i++)
    if (!(i & S)) exchange<S>(x[i], x[i + S], std::make_integer_sequence<int, W>{});
}
#endif

// y[i] = sum(x[i]) of simd.h, to the bit, for Count vectors (a power of 2, at most W) that share the steps of one tree.
template <int Count>
inline void sum_each(float* y, const vf* x) {
#if defined(FATHOM_HAS_SHUFFLE)
  vf part[Count];
#pragma GCC unroll 16
  for (int i = 0; i < Count; i++) part[i] = x[i];
  sum_halves<Count, W / 2>(part);
  constexpr int apart = W / Count;
#pragma GCC unroll 16
  for (int i = 0; i < Count; i++) y[i] = part[0][i * apart];
#else
  for (int i = 0; i < Count; i++) y[i] = sum(x[i]);
#endif
}

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

// ---- words of one value ----

// Stores rows p, p + 1, ... of a panel (kTileColumns apart) from what W columns hold at 2 W (bf16) or W (f32) values of k.
constexpr int64_t kStripF32 = W, kStripBf16 = 2 * W;
inline void pack_strip(float* y, const float* x, int64_t ld) {
  vf block[W];
#pragma GCC unroll 16
  for (int i = 0; i < W; i++) {
    block[i] = load(x + i * ld);
    __builtin_prefetch(x + (i + W) * ld);
  }
  transpose(block);
#pragma GCC unroll 16
  for (int i = 0; i < W; i++) store(y + i * kTileColumns, block[i]);
}
// Pairs of bf16 are turned around as words and parted afterwards: half the shuffles.
inline void pack_strip(float* y, const bf16* x, int64_t ld) {
  vf block[W];
#pragma GCC unroll 16
  for (int i = 0; i < W; i++) {
    memcpy(&block[i], x + i * ld, sizeof(vf));
    __builtin_prefetch(x + (i + W) * ld);
  }
  transpose(block);
#pragma GCC unroll 16
  for (int i = 0; i < W; i++) {
    vu both = (vu)block[i];
    store(y + 2 * i * kTileColumns, (vf)(both << 16));
    store(y + (2 * i + 1) * kTileColumns, (vf)(both & 0xffff0000u));
  }
}

// Columns [0, columns) of op(B) = b [columns, ldb]^T, k in [0, k), to panels [k][kTileColumns].
template <typename T>
void pack_b_transposed(float* y, const T* b, int64_t ldb, int64_t columns, int64_t k, Values) {
  constexpr int64_t strip = sizeof(T) == 2 ? kStripBf16 : kStripF32;
  for (int64_t j = 0; j < columns; j += kTileColumns, y += k * kTileColumns)
    for (int v = 0; v < kTileVectors; v++) {
      float* to = y + v * W;
      const T* from = b + (j + v * W) * ldb;
      int64_t here = columns - j - v * W, p = 0;
      if (here >= W)
        for (; p + strip <= k; p += strip) pack_strip(to + p * kTileColumns, from + p, ldb);
      for (; p < k; p += W) {
        int64_t part = k - p < W ? k - p : W;
        vf block[W];
        for (int i = 0; i < W; i++) block[i] = i < here ? load_up_to(from + i * ldb + p, part) : zero();
        transpose(block);
        for (int i = 0; i < part; i++) store(to + (p + i) * kTileColumns, block[i]);
      }
    }
}

// Rows of b are read a few at a time over all columns: along the row memory is contiguous, down a panel it is not.
constexpr int64_t kRowsAtOnce = 8;

// Columns [0, columns) of op(B) = b [k, ldb] to the first k rows of panels [panel][kTileColumns].
template <typename T>
void pack_b_straight(float* y, int64_t panel, const T* b, int64_t ldb, int64_t columns, int64_t k, Values) {
  for (int64_t p = 0; p < k; p += kRowsAtOnce) {
    int64_t end = k < p + kRowsAtOnce ? k : p + kRowsAtOnce;
    for (int64_t j = 0; j < columns; j += kTileColumns) {
      float* to = y + j * panel;
      bool whole = columns - j >= kTileColumns;
      for (int64_t q = p; q < end; q++)
#pragma GCC unroll 4
        for (int v = 0; v < kTileVectors; v++) {
          const T* from = b + q * ldb + j + v * W;
          int64_t here = columns - j - v * W;
          store(to + q * kTileColumns + v * W, whole ? load(from) : here > 0 ? load_up_to(from, here) : zero());
        }
    }
  }
}

// Rows [0, rows) of a [rows, lda], k in [0, k), to tiles [kTileRows][kRowStride].
template <typename T>
void pack_a_straight(float* y, const T* a, int64_t lda, int64_t rows, int64_t k, Values) {
  for (int64_t i = 0; i < rows; i++, y += kRowStride, a += lda) {
    int64_t p = 0;
    for (; p + W <= k; p += W) store(y + p, load(a + p));
    if (p < k) store(y + p, load_part(a + p, k - p));
  }
}

// Columns [0, rows) of a [k, lda] to tiles [k][kTileRows], kTileRows * kRowStride apart.
template <typename T>
void pack_a_transposed(float* y, const T* a, int64_t lda, int64_t rows, int64_t k, Values) {
  for (int64_t p = 0; p < k; p += kRowsAtOnce) {
    int64_t end = k < p + kRowsAtOnce ? k : p + kRowsAtOnce;
    for (int64_t i = 0; i < rows; i += kTileRows) {
      float* to = y + i * kRowStride;
      // A store may write past its kTileRows values; the next one, further up, puts that right.
      for (int64_t q = p; q < end; q++)
#pragma GCC unroll 2
        for (int v = 0; v < kTileRows; v += W)
          if (rows - i > v) store(to + q * kTileRows + v, load_up_to(a + q * lda + i + v, rows - i - v));
    }
  }
}

// ---- words of two bf16 values of k; a last odd value stands beside a zero ----

// Up to 2 W values of k of one column as W words.
inline vf load_words(const bf16* x, int64_t values) {
  vf words;
  if (values >= 2 * W) {
    memcpy(&words, x, sizeof words);
    return words;
  }
  bf16 part[2 * W] = {};
  memcpy(part, x, size_t(values) * sizeof(bf16));
  memcpy(&words, part, sizeof words);
  return words;
}

// The same as above: panels of ceil(k / 2) words.
inline void pack_b_transposed(float* y, const bf16* b, int64_t ldb, int64_t columns, int64_t k, Pairs) {
  int64_t words = (k + 1) / 2;
  for (int64_t j = 0; j < columns; j += kTileColumns, y += words * kTileColumns)
    for (int v = 0; v < kTileVectors; v++) {
      float* to = y + v * W;
      const bf16* from = b + (j + v * W) * ldb;
      int64_t here = columns - j - v * W;
      for (int64_t p = 0; p < words; p += W) {
        int64_t values = k - 2 * p, part = words - p < W ? words - p : W;
        vf block[W];
        if (here >= W && values >= 2 * W) {
#pragma GCC unroll 16
          for (int i = 0; i < W; i++) {
            memcpy(&block[i], from + i * ldb + 2 * p, sizeof(vf));
            __builtin_prefetch(from + (i + W) * ldb + 2 * p);
          }
        } else {
          for (int i = 0; i < W; i++) block[i] = i < here ? load_words(from + i * ldb + 2 * p, values) : zero();
        }
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

inline void pack_b_straight(float* y, int64_t panel, const bf16* b, int64_t ldb, int64_t columns, int64_t k, Pairs) {
  int64_t words = (k + 1) / 2;
  for (int64_t p = 0; p < words; p += kRowsAtOnce / 2) {
    int64_t end = least_of(words, p + kRowsAtOnce / 2);
    for (int64_t j = 0; j < columns; j += kTileColumns) {
      float* to = y + j * panel;
      for (int64_t q = p; q < end; q++)
#pragma GCC unroll 4
        for (int v = 0; v < kTileVectors; v++) {
          const bf16* even = b + 2 * q * ldb + j + v * W;
          int64_t here = columns - j - v * W;
          store(to + q * kTileColumns + v * W, here > 0 ? Pairs::join(even, 2 * q + 1 < k ? even + ldb : nullptr, here) : zero());
        }
    }
  }
}

// Rows as they are.
inline void pack_a_straight(float* y, const bf16* a, int64_t lda, int64_t rows, int64_t k, Pairs) {
  for (int64_t i = 0; i < rows; i++, y += kRowStride, a += lda)
    for (int64_t p = 0; p < k; p += 2 * W) store(y + p / 2, load_words(a + p, k - p));
}

inline void pack_a_transposed(float* y, const bf16* a, int64_t lda, int64_t rows, int64_t k, Pairs) {
  int64_t words = (k + 1) / 2;
  for (int64_t p = 0; p < words; p += kRowsAtOnce / 2) {
    int64_t end = least_of(words, p + kRowsAtOnce / 2);
    for (int64_t i = 0; i < rows; i += kTileRows) {
      float* to = y + i * kRowStride;
      for (int64_t q = p; q < end; q++)
#pragma GCC unroll 2
        for (int v = 0; v < kTileRows; v += W)
          if (rows - i > v) {
            const bf16* even = a + 2 * q * lda + i + v;
            store(to + q * kTileRows + v, Pairs::join(even, 2 * q + 1 < k ? even + lda : nullptr, rows - i - v));
          }
    }
  }
}

}  // namespace FATHOM_ISA
}  // namespace fathom
