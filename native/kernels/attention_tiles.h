// What the attention kernels share: a product of small matrices of words (words.h), and packing of tiles from storage.
// Scores are held transposed, keys down and queries (or heads) across the lanes: softmax then never sums within a vector, keys and
// values are used row by row as they lie in memory, and only the queries are transposed, once per tile.
#pragma once
#include "../parallel.h"
#include "kernels.h"
#include "lanes.h"
#include "words.h"

namespace fathom {
namespace FATHOM_ISA {

constexpr int64_t kQueryTile = 64;  // queries a tile: lanes of the transposed scores
constexpr int64_t kKeyTile = 64;    // keys a tile
constexpr int64_t kBlockTiles = 4;  // query tiles that share the packing of a key tile: keys lie far apart in memory
constexpr int64_t kGroup = 16;      // a tile on the diagonal is computed in steps of so many keys and queries

inline int64_t padded(int64_t n) { return (n + W - 1) / W * W; }
inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

namespace tiles {

constexpr int kVectors = W == 16 ? 4 : 2;    // vectors of a row of C held in registers
constexpr int64_t kDepth = 128;              // rows of B used before the next rows of A: 128 * 64 f32 stay in L1

// Rows of C held in registers beside V vectors a row, so that the sums, the row of B and a scalar fill the register file.
constexpr int rows_beside(int v) { return W == 16 ? (v == 4 ? 6 : v == 3 ? 8 : 12) : v == 2 ? 6 : 8; }

// C[R, V vectors] (+)= A[R, k] B[k, V vectors], k counted in words; A's word (i, p) is a[i * a_row + p * a_col].
template <typename Words, int R, int V>
inline void block(float* c, int64_t ldc, const float* a, int64_t a_row, int64_t a_col, const float* b, int64_t ldb, int64_t k,
                  bool accumulate) {
  vf acc[R][V];
#pragma GCC unroll 16
  for (int i = 0; i < R; i++)
#pragma GCC unroll 4
    for (int j = 0; j < V; j++) acc[i][j] = zero();
  if (accumulate) {
#pragma GCC unroll 16
    for (int i = 0; i < R; i++)
#pragma GCC unroll 4
      for (int j = 0; j < V; j++) acc[i][j] = load(c + i * ldc + j * W);
  }
  for (int64_t p = 0; p < k; p++) {
    vf row[V];
#pragma GCC unroll 4
    for (int j = 0; j < V; j++) row[j] = load(b + p * ldb + j * W);
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
      vf scalar = Words::broadcast(a + i * a_row + p * a_col);
#pragma GCC unroll 4
      for (int j = 0; j < V; j++) acc[i][j] = Words::multiply_add(scalar, row[j], acc[i][j]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < R; i++)
#pragma GCC unroll 4
    for (int j = 0; j < V; j++) store(c + i * ldc + j * W, acc[i][j]);
}

template <typename Words, int V>
void column(float* c, int64_t ldc, const float* a, int64_t a_row, int64_t a_col, const float* b, int64_t ldb, int64_t m, int64_t k,
            bool accumulate) {
  constexpr int R = rows_beside(V);
  auto next = [&](int rows) {
    c += rows * ldc;
    a += rows * a_row;
    m -= rows;
  };
  for (; m >= R; next(R)) block<Words, R, V>(c, ldc, a, a_row, a_col, b, ldb, k, accumulate);
  if (R > 6 && m >= 6) {
    block<Words, 6, V>(c, ldc, a, a_row, a_col, b, ldb, k, accumulate);
    next(6);
  }
  switch (m) {
    case 5: return block<Words, 5, V>(c, ldc, a, a_row, a_col, b, ldb, k, accumulate);
    case 4: return block<Words, 4, V>(c, ldc, a, a_row, a_col, b, ldb, k, accumulate);
    case 3: return block<Words, 3, V>(c, ldc, a, a_row, a_col, b, ldb, k, accumulate);
    case 2: return block<Words, 2, V>(c, ldc, a, a_row, a_col, b, ldb, k, accumulate);
    case 1: return block<Words, 1, V>(c, ldc, a, a_row, a_col, b, ldb, k, accumulate);
    default: return;
  }
}

// C[m, n] (+)= A[m, k] B[k, n] with n a multiple of W. Each element sums over the words of k in order, one multiply-add each.
template <typename Words = Values>
void product(float* c, int64_t ldc, const float* a, int64_t a_row, int64_t a_col, const float* b, int64_t ldb, int64_t m,
                    int64_t n, int64_t k, bool accumulate) {
  for (int64_t p = 0; p < k || p == 0; p += kDepth) {
    int64_t depth = smaller(k - p, kDepth);
    bool add = accumulate || p > 0;
    const float* ap = a + p * a_col;
    const float* bp = b + p * ldb;
    int64_t j = 0;
    for (; j + kVectors * W <= n; j += kVectors * W) column<Words, kVectors>(c + j, ldc, ap, a_row, a_col, bp + j, ldb, m, depth, add);
    switch ((n - j) / W) {
      case 3: column<Words, 3>(c + j, ldc, ap, a_row, a_col, bp + j, ldb, m, depth, add); break;
      case 2: column<Words, 2>(c + j, ldc, ap, a_row, a_col, bp + j, ldb, m, depth, add); break;
      case 1: column<Words, 1>(c + j, ldc, ap, a_row, a_col, bp + j, ldb, m, depth, add); break;
      default: break;
    }
  }
}

// The three products of a tile of transposed scores s[keys, lanes]. On the diagonal (the tile's first key is its first query) key i
// meets only lanes j >= i, and groups of kGroup keys and lanes that cannot meet are left out: their scores are neither written nor read.

// s = a[keys, k] b[k, lanes], k in words.
template <typename Words = Values>
void scores(float* s, int64_t lanes, const float* a, int64_t lda, const float* b, int64_t keys, int64_t k, bool diagonal) {
  if (!diagonal) return product<Words>(s, lanes, a, lda, 1, b, lanes, keys, lanes, k, false);
  for (int64_t g = 0; g < keys; g += kGroup)
    product<Words>(s + g * lanes + g, lanes, a + g * lda, lda, 1, b + g, lanes, smaller(kGroup, keys - g), lanes - g, k, false);
}

// c[queries, n] (+)= s^T b[keys, n]; s and b are words along the keys.
template <typename Words>
void sum_keys(float* c, const float* s, int64_t lanes, const float* b, int64_t queries, int64_t n, int64_t keys, bool diagonal,
              bool accumulate) {
  if (!diagonal) return product<Words>(c, n, s, 1, lanes, b, n, queries, n, Words::words(keys), accumulate);
  for (int64_t g = 0; g < queries; g += kGroup)
    product<Words>(c + g * n, n, s + g, 1, lanes, b, n, smaller(kGroup, queries - g), n, Words::words(smaller(keys, g + kGroup)), accumulate);
}

// c[keys, n] += s b[queries, n]; s and b are words along the queries.
template <typename Words>
void sum_queries(float* c, const float* s, int64_t lanes, const float* b, int64_t keys, int64_t n, int64_t queries, bool diagonal) {
  int64_t lds = lanes / Words::per_word;
  if (!diagonal) return product<Words>(c, n, s, lds, 1, b, n, keys, n, Words::words(queries), true);
  for (int64_t g = 0; g < keys; g += kGroup) {
    int64_t first = g / Words::per_word;
    product<Words>(c + g * n, n, s + g * lds + first, lds, 1, b + first * n, n, smaller(kGroup, keys - g), n, Words::words(queries - g), true);
  }
}

// Scores as words along the keys, [words(keys), lanes], and along the lanes, [keys, lanes / per_word]; y is memory for them.
inline const float* along_keys(float*, const float* s, int64_t, int64_t, bool, Values) { return s; }
inline const float* along_lanes(float*, const float* s, int64_t, int64_t, bool, Values) { return s; }
#if defined(FATHOM_BF16_DOT)
inline const float* along_keys(float* y, const float* s, int64_t lanes, int64_t keys, bool diagonal, Pairs) {
  for (int64_t j = 0; j < lanes; j += W) {
    int64_t n = diagonal ? smaller(keys, (j / kGroup + 1) * kGroup) : keys;
    for (int64_t i = 0; i < n; i += 2)
      store(y + i / 2 * lanes + j, Pairs::join(load(s + i * lanes + j), i + 1 < n ? load(s + (i + 1) * lanes + j) : zero()));
  }
  return y;
}
inline const float* along_lanes(float* y, const float* s, int64_t lanes, int64_t keys, bool diagonal, Pairs) {
  bf16* to = reinterpret_cast<bf16*>(y);
  for (int64_t i = 0; i < keys; i++)
    for (int64_t j = diagonal ? i / kGroup * kGroup : 0; j < lanes; j += W) store(to + i * lanes + j, load(s + i * lanes + j));
  return y;
}
#endif

// y[0, width) = x[0, width) as f32.
template <typename T>
inline void widen(float* y, const T* x, int64_t width) {
  for_lanes(width, [&](int64_t i, auto lane) { lane.store(y + i, lane.load(x + i)); });
}
// y[0, width) = factor * x[0, width) in storage type.
template <typename T>
inline void narrow(T* y, const float* x, int64_t width, float factor) {
  for_lanes(width, [&](int64_t i, auto lane) { lane.store(y + i, lane.load(x + i) * factor); });
}
inline void clear(float* y, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] = 0;
}

constexpr int64_t kAhead = 6;  // rows fetched ahead: they lie in different pages, where the processor does not look ahead itself

inline void copy(float* y, const float* x, int64_t n) { widen(y, x, n); }
inline void copy(float* y, const bf16* x, int64_t n) { widen(y, x, n); }
inline void copy(bf16* y, const bf16* x, int64_t n) { memcpy(y, x, size_t(n) * sizeof(bf16)); }

// y[rows, ldy] = x[rows, width] from row stride ldx, with zeros in columns [width, full); f32 or words along the row.
template <typename E, typename T>
inline void pack(E* y, int64_t ldy, const T* x, int64_t ldx, int64_t rows, int64_t width, int64_t full) {
  for (int64_t r = 0; r < rows; r++) {
    if (r + kAhead < rows)
      for (int64_t i = 0; i < width; i += int64_t(64 / sizeof(T))) __builtin_prefetch(x + (r + kAhead) * ldx + i);
    copy(y + r * ldy, x + r * ldx, width);
    memset(y + r * ldy + width, 0, size_t(full - width) * sizeof(E));
  }
}

// y[words(rows), full] = words along the rows of x[rows, width], with zeros in columns [width, full).
template <typename T>
inline void pack_down(float* y, const T* x, int64_t ldx, int64_t rows, int64_t width, int64_t full, Values) {
  pack(y, full, x, ldx, rows, width, full);
}
inline void pack_down(float* y, const bf16* x, int64_t ldx, int64_t rows, int64_t width, int64_t full, Pairs) {
  for (int64_t r = 0; r < rows; r += 2, y += full) {
    const bf16 *even = x + r * ldx, *odd = r + 1 < rows ? even + ldx : nullptr;
    for (int64_t j = 0; j < full; j += W) store(y + j, j < width ? Pairs::join(even + j, odd ? odd + j : nullptr, width - j) : zero());
  }
}

inline void scale_rows(float* y, const float* factor, int64_t rows, int64_t width) {
  for (int64_t r = 0; r < rows; r++)
    for (int64_t j = 0; j < width; j += W) store(y + r * width + j, load(y + r * width + j) * factor[r]);
}

typedef float v4 __attribute__((vector_size(16), may_alias));
typedef float v4_unaligned __attribute__((vector_size(16), aligned(4), may_alias));

inline v4 interleave_low(v4 a, v4 b) { return v4{a[0], b[0], a[1], b[1]}; }
inline v4 interleave_high(v4 a, v4 b) { return v4{a[2], b[2], a[3], b[3]}; }

// y[width, lanes] = factor * transpose of x[rows, width] (row stride ldx), with zeros in columns [rows, lanes); lanes is a multiple of W.
// Columns of x up to the next multiple of 4 are read. Words other than f32 take no factor.
template <typename Words = Values>
inline void transpose(float* y, int64_t lanes, const float* x, int64_t ldx, int64_t rows, int64_t width, float factor) {
  auto row = [&](int64_t r, int64_t i) { return r < rows ? v4(*reinterpret_cast<const v4_unaligned*>(x + r * ldx + i)) : v4{}; };
  for (int64_t i = 0; i < width; i += 4)
    for (int64_t r = 0; r < lanes; r += 4) {
      v4 a = row(r, i), b = row(r + 1, i), c = row(r + 2, i), d = row(r + 3, i);
      v4 ac_low = interleave_low(a, c), ac_high = interleave_high(a, c);
      v4 bd_low = interleave_low(b, d), bd_high = interleave_high(b, d);
      v4 out[4] = {interleave_low(ac_low, bd_low), interleave_high(ac_low, bd_low), interleave_low(ac_high, bd_high),
                   interleave_high(ac_high, bd_high)};
      for (int64_t n = 0; n < 4 && i + n < width; n++) *reinterpret_cast<v4_unaligned*>(y + (i + n) * lanes + r) = Words::per_word == 1 ? out[n] * factor : out[n];
    }
}

}  // namespace tiles

// e^x for x <= 0 (or a little above), as vexp without what only other arguments need; below -87 it gives e^-87, NaN stays NaN.
inline vf exp_negative(vf x) {
  vf low = splat(-87.0f);
  x = low > x ? low : x;
  vf shifted = fma(x, splat(1.44269504088896341f), splat(12582912.0f));  // the low bits hold the nearest integer n
  vf n = shifted - 12582912.0f;
  vf r = fma(n, splat(2.12194440e-4f), fma(n, splat(-0.693359375f), x));
  vf p = fma(splat(1.3981999507e-3f), r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  p = fma(p, r * r, r + 1.0f);
  vu bits = (vu)p + ((vu)shifted << 23);  // times 2^n
  return x == x ? (vf)bits : x;
}

inline vi lane_numbers(int64_t first) {
  vi index = {};
  for (int i = 0; i < W; i++) index[i] = int32_t(first) + i;
  return index;
}

// Softmax over the keys seen so far, for up to kQueryTile lanes: the largest score and the sum of exponentials of each lane.
struct RunningSoftmax {
  float* most;
  float* total;
  int64_t lanes;

  void start() {
    for (int64_t j = 0; j < lanes; j++) most[j] = -INFINITY, total[j] = 0;
  }

  // scores[keys, lanes], times scale, become exp(score - new maximum), zero for a lane's later keys on the diagonal. Returns whether
  // `correction` [lanes], the factor for earlier sums, differs from 1.
  bool add(float* scores, float* correction, int64_t keys, bool diagonal, float scale = 1.0f) {
    bool changed = false;
    for (int64_t j = 0; j < lanes; j += W) {
      float* s = scores + j;
      int64_t n = diagonal ? smaller(keys, (j / kGroup + 1) * kGroup) : keys;
      if (scale != 1.0f)
        for (int64_t i = 0; i < n; i++) store(s + i * lanes, load(s + i * lanes) * scale);
      if (diagonal) {
        vi lane = lane_numbers(j);
        for (int64_t i = j / kGroup * kGroup; i < n; i++)
          store(s + i * lanes, lane >= int32_t(i) ? load(s + i * lanes) : splat(-INFINITY));
      }
      vf old = load(most + j), top = old, second = old;
      int64_t i = 0;
      for (; i + 2 <= n; i += 2) {
        top = vmax(load(s + i * lanes), top);
        second = vmax(load(s + (i + 1) * lanes), second);
      }
      if (i < n) top = vmax(load(s + i * lanes), top);
      top = vmax(top, second);
      vf part = zero();
      for (i = 0; i < n; i++) {
        vf x = load(s + i * lanes);
        vf p = exp_negative(x - top);
        if (diagonal) p = x == splat(-INFINITY) ? zero() : p;
        part += p;
        store(s + i * lanes, p);
      }
      vf factor = exp_negative(old - top);
      store(correction + j, factor);
      store(most + j, top);
      store(total + j, fma(load(total + j), factor, part));
      vi moved = old != top;
      for (int l = 0; l < W; l++) changed |= moved[l] != 0;
    }
    return changed;
  }
};

}  // namespace FATHOM_ISA
}  // namespace fathom
