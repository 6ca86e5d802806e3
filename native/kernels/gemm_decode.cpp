// Products of few rows with a large weight, as dot products along k: w is read once, in order, and each load of it serves up to
// kRows rows of x. Every output is one vector of partial sums in ascending k, added up in a fixed tree, whatever the number of rows.
#include "../parallel.h"
#include "gemm_tile.h"
#include "kernels.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int kRows = W == 16 ? 8 : 4;    // rows of x that share a load of w
constexpr int64_t kWeightsPerChunk = 32;  // rows of w in a chunk

template <bool Dot, typename T>
inline vf load_words(const T* x, int64_t count) {
  if constexpr (Dot) {
    if (count >= 2 * W) return load(reinterpret_cast<const float*>(x));
    T part[2 * W] = {};
    memcpy(part, x, size_t(count) * sizeof(T));
    return load(reinterpret_cast<const float*>(part));
  } else {
    return count >= W ? load(x) : load_part(x, count);
  }
}

// y[i, j] for R rows of x and N rows of w.
template <int R, int N, bool Dot, typename Y, typename X, typename T>
void dots(Y* y, int64_t ldy, const X* x, const T* w, int64_t k) {
  constexpr int64_t step = Dot ? 2 * W : W;
  vf acc[R][N];
#pragma GCC unroll 8
  for (int i = 0; i < R; i++)
#pragma GCC unroll 8
    for (int j = 0; j < N; j++) acc[i][j] = zero();
  auto advance = [&](int64_t p, int64_t count) __attribute__((always_inline)) {
    vf rows[R];
#pragma GCC unroll 8
    for (int i = 0; i < R; i++) rows[i] = load_words<Dot>(x + i * k + p, count);
#pragma GCC unroll 8
    for (int j = 0; j < N; j++) {
      vf weight = load_words<Dot>(w + j * k + p, count);
#pragma GCC unroll 8
      for (int i = 0; i < R; i++) acc[i][j] = multiply_add<Dot>(rows[i], weight, acc[i][j]);
    }
  };
  int64_t p = 0;
  for (; p + step <= k; p += step) advance(p, step);
  if (p < k) advance(p, k - p);
#pragma GCC unroll 8
  for (int i = 0; i < R; i++)
#pragma GCC unroll 8
    for (int j = 0; j < N; j++) y[i * ldy + j] = from_f32<Y>(sum(acc[i][j]));
}

template <int R, bool Dot, typename Y, typename X, typename T>
void dots_over(Y* y, int64_t ldy, const X* x, const T* w, int64_t weights, int64_t k) {
  constexpr int N = R == 1 ? 8 : R <= 4 ? 4 : 2;
  int64_t j = 0;
  for (; j + N <= weights; j += N) dots<R, N, Dot>(y + j, ldy, x, w + j * k, k);
  for (; j < weights; j++) dots<R, 1, Dot>(y + j, ldy, x, w + j * k, k);
}

// y [rows, weights] (row stride ldy) = x [rows, k] * w [weights, k]^T.
template <bool Dot, typename Y, typename X, typename T>
void stream(Y* y, int64_t ldy, const X* x, const T* w, int64_t rows, int64_t weights, int64_t k) {
  int64_t i = 0;
  if constexpr (kRows == 8)
    for (; i + 8 <= rows; i += 8) dots_over<8, Dot>(y + i * ldy, ldy, x + i * k, w, weights, k);
  for (; i + 4 <= rows; i += 4) dots_over<4, Dot>(y + i * ldy, ldy, x + i * k, w, weights, k);
  if (i + 2 <= rows) {
    dots_over<2, Dot>(y + i * ldy, ldy, x + i * k, w, weights, k);
    i += 2;
  }
  if (i < rows) dots_over<1, Dot>(y + i * ldy, ldy, x + i * k, w, weights, k);
}

template <typename Y, typename X, typename T>
void grouped(Y* y, const X* x, const T* w, const int32_t* offsets, int64_t groups, int64_t n, int64_t k) {
  constexpr bool dot = kHasDot && std::is_same_v<X, bf16> && std::is_same_v<T, bf16>;
  int64_t pieces = (n + kWeightsPerChunk - 1) / kWeightsPerChunk;
  parallel_for(groups * pieces, [&](int64_t chunk) {
    int64_t e = chunk / pieces, j = chunk % pieces * kWeightsPerChunk;
    int64_t weights = n - j < kWeightsPerChunk ? n - j : kWeightsPerChunk;
    int64_t row = offsets[e], rows = offsets[e + 1] - row;
    stream<dot>(y + row * n + j, n, x + row * k, w + (e * n + j) * k, rows, weights, k);
  });
}

template <typename Y, typename X>
void with_weight(Y* y, const X* x, const void* w, const int32_t* offsets, int64_t groups, int64_t n, int64_t k, int32_t w_type) {
  if (w_type == BF16) grouped(y, x, static_cast<const bf16*>(w), offsets, groups, n, k);
  else grouped(y, x, static_cast<const float*>(w), offsets, groups, n, k);
}

template <typename Y>
void with_input(Y* y, const void* x, const void* w, const int32_t* offsets, int64_t groups, int64_t n, int64_t k, int32_t x_type,
                int32_t w_type) {
  if (x_type == BF16) with_weight(y, static_cast<const bf16*>(x), w, offsets, groups, n, k, w_type);
  else with_weight(y, static_cast<const float*>(x), w, offsets, groups, n, k, w_type);
}

}  // namespace

void grouped_linear_decode(void* y, const void* x, const void* w, const int32_t* offsets, int64_t groups, int64_t n, int64_t k,
                           int32_t y_type, int32_t x_type, int32_t w_type) {
  if (y_type == BF16) with_input(static_cast<bf16*>(y), x, w, offsets, groups, n, k, x_type, w_type);
  else with_input(static_cast<float*>(y), x, w, offsets, groups, n, k, x_type, w_type);
}

void linear_decode(void* y, const void* x, const void* w, int64_t rows, int64_t n, int64_t k, int32_t y_type, int32_t x_type,
                   int32_t w_type) {
  int32_t offsets[2] = {0, int32_t(rows)};
  grouped_linear_decode(y, x, w, offsets, 1, n, k, y_type, x_type, w_type);
}

}  // namespace FATHOM_ISA
}  // namespace fathom
