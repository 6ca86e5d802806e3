// What the attention kernels share: a product of small matrices held in f32, and packing of tiles from storage.
// Scores are held transposed, keys down and queries (or heads) across the lanes: softmax then never sums within a vector, keys and
// values are used row by row as they lie in memory, and only the queries are transposed, once per tile.
#pragma once
#include "../parallel.h"
#include "kernels.h"
#include "lanes.h"

namespace fathom {
namespace FATHOM_ISA {

constexpr int64_t kQueryTile = 64;  // queries a tile: lanes of the transposed scores
constexpr int64_t kKeyTile = 64;    // keys a tile

inline int64_t padded(int64_t n) { return (n + W - 1) / W * W; }

namespace tiles {

constexpr int kRows = 6;                     // rows of C held in registers
constexpr int kVectors = W == 16 ? 4 : 2;    // vectors of a row held in registers
constexpr int64_t kDepth = 128;              // rows of B used before the next rows of A: 128 * 64 f32 stay in L1

// C[R, V vectors] (+)= A[R, k] B[k, V vectors]; A's element (i, p) is a[i * a_row + p * a_col].
template <int R, int V>
inline void block(float* c, int64_t ldc, const float* a, int64_t a_row, int64_t a_col, const float* b, int64_t ldb, int64_t k,
                  bool accumulate) {
  vf acc[R][V];
  for (int i = 0; i < R; i++)
    for (int j = 0; j < V; j++) acc[i][j] = accumulate ? load(c + i * ldc + j * W) : zero();
  for (int64_t p = 0; p < k; p++) {
    vf row[V];
    for (int j = 0; j < V; j++) row[j] = load(b + p * ldb + j * W);
    for (int i = 0; i < R; i++) {
      vf scalar = splat(a[i * a_row + p * a_col]);
      for (int j = 0; j < V; j++) acc[i][j] = fma(scalar, row[j], acc[i][j]);
    }
  }
  for (int i = 0; i < R; i++)
    for (int j = 0; j < V; j++) store(c + i * ldc + j * W, acc[i][j]);
}

template <int V>
void column(float* c, int64_t ldc, const float* a, int64_t a_row, int64_t a_col, const float* b, int64_t ldb, int64_t m, int64_t k,
            bool accumulate) {
  int64_t i = 0;
  for (; i + kRows <= m; i += kRows) block<kRows, V>(c + i * ldc, ldc, a + i * a_row, a_row, a_col, b, ldb, k, accumulate);
  c += i * ldc;
  a += i * a_row;
  switch (m - i) {
    case 5: return block<5, V>(c, ldc, a, a_row, a_col, b, ldb, k, accumulate);
    case 4: return block<4, V>(c, ldc, a, a_row, a_col, b, ldb, k, accumulate);
    case 3: return block<3, V>(c, ldc, a, a_row, a_col, b, ldb, k, accumulate);
    case 2: return block<2, V>(c, ldc, a, a_row, a_col, b, ldb, k, accumulate);
    case 1: return block<1, V>(c, ldc, a, a_row, a_col, b, ldb, k, accumulate);
    default: return;
  }
}

// C[m, n] (+)= A[m, k] B[k, n] with n a multiple of W. Each element sums over k in order, one multiply-add each.
inline void product(float* c, int64_t ldc, const float* a, int64_t a_row, int64_t a_col, const float* b, int64_t ldb, int64_t m,
                    int64_t n, int64_t k, bool accumulate) {
  for (int64_t p = 0; p < k || p == 0; p += kDepth) {
    int64_t depth = k - p < kDepth ? k - p : kDepth;
    bool add = accumulate || p > 0;
    const float* ap = a + p * a_col;
    const float* bp = b + p * ldb;
    int64_t j = 0;
    for (; j + kVectors * W <= n; j += kVectors * W) column<kVectors>(c + j, ldc, ap, a_row, a_col, bp + j, ldb, m, depth, add);
    if (kVectors == 4 && j + 2 * W <= n) {
      column<2>(c + j, ldc, ap, a_row, a_col, bp + j, ldb, m, depth, add);
      j += 2 * W;
    }
    if (j < n) column<1>(c + j, ldc, ap, a_row, a_col, bp + j, ldb, m, depth, add);
  }
}

// y[0, width) = x[0, width) as f32.
template <typename T>
inline void widen(float* y, const T* x, int64_t width) {
  for_lanes(width, [&](int64_t i, auto lane) { lane.store(y + i, lane.load(x + i)); });
}
template <typename T>
inline void narrow(T* y, const float* x, int64_t width) {
  for_lanes(width, [&](int64_t i, auto lane) { lane.store(y + i, lane.load(x + i)); });
}
inline void clear(float* y, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] = 0;
}

// y[rows, ldy] = x[rows, width] from row stride ldx, with zeros in columns [width, ldy).
template <typename T>
inline void pack(float* y, int64_t ldy, const T* x, int64_t ldx, int64_t rows, int64_t width) {
  for (int64_t r = 0; r < rows; r++) {
    widen(y + r * ldy, x + r * ldx, width);
    clear(y + r * ldy + width, ldy - width);
  }
}

// y[width, lanes] = transpose of x[rows, width] (row stride ldx), with zeros in columns [rows, lanes); lanes is a multiple of W.
inline void transpose(float* y, int64_t lanes, const float* x, int64_t ldx, int64_t rows, int64_t width) {
  for (int64_t i = 0; i < width; i++) {
    for (int64_t r = 0; r < rows; r++) y[i * lanes + r] = x[r * ldx + i];
    clear(y + i * lanes + rows, lanes - rows);
  }
}

}  // namespace tiles

// Softmax over the keys seen so far, for up to kQueryTile lanes: the largest score and the sum of exponentials of each lane.
struct RunningSoftmax {
  float* most;
  float* total;
  int64_t lanes;

  void start() {
    for (int64_t j = 0; j < lanes; j++) most[j] = -INFINITY, total[j] = 0;
  }

  // scores[keys, lanes] become exp(scale * score - new maximum); key i counts for lane j only if i <= j + first_visible (every lane
  // sees a key at its first call). Returns whether `correction` [lanes], the factor for earlier sums, differs from 1.
  bool add(float* scores, float* correction, int64_t keys, float scale, int64_t first_visible) {
    bool changed = false;
    vi index;
    for (int i = 0; i < W; i++) index[i] = i;
    for (int64_t j = 0; j < lanes; j += W) {
      vi limit = index + int32_t(j + first_visible);
      bool whole = j + first_visible >= keys - 1;
      vf old = load(most + j), top = old;
      for (int64_t i = 0; i < keys; i++) {
        vf s = load(scores + i * lanes + j) * scale;
        if (!whole) s = limit >= int32_t(i) ? s : splat(-INFINITY);
        top = vmax(s, top);
        store(scores + i * lanes + j, s);
      }
      vf part = zero();
      for (int64_t i = 0; i < keys; i++) {
        vf s = load(scores + i * lanes + j);
        vf p = vexp(s - top);
        if (!whole) p = limit >= int32_t(i) ? p : zero();
        part += p;
        store(scores + i * lanes + j, p);
      }
      vf factor = vexp(old - top);
      store(correction + j, factor);
      store(most + j, top);
      store(total + j, load(total + j) * factor + part);
      vi moved = old != top;
      for (int i = 0; i < W; i++) changed |= moved[i] != 0;
    }
    return changed;
  }
};

}  // namespace FATHOM_ISA
}  // namespace fathom
