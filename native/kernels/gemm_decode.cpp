// Products of few rows with a large weight, as dot products along k: w is read once, in order, and each load of it serves up to
// kRows rows of x. Every output is one vector of partial sums in ascending k, added up in a fixed tree, whatever the number of rows.
// Arithmetic is f32; where both sides are bf16 and the CPU has bf16 dot products, decode_dots.h does it.
#include "decode_dots.h"
#include "decode_groups.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int kRows = W == 16 ? 8 : 4;   // rows of x that share a load of w

// Values of k that one step takes: two vectors. A bf16 step gives its even values first, then its odd ones (a shift and a mask of one
// load), and packed x has the same order; f32 keeps its order. Packed rows are filled up with zeros to whole steps.
constexpr int64_t kStep = 2 * W;

struct Pair {
  vf first, second;
};
inline Pair load_pair(const float* w) { return {load(w), load(w + W)}; }
inline Pair load_pair(const bf16* w) {
  vu both;
  memcpy(&both, w, sizeof both);
  vu even = both << 16, odd = both & 0xffff0000u;
  return {reinterpret_cast<vf&>(even), reinterpret_cast<vf&>(odd)};
}
template <typename T>
inline Pair load_pair_part(const T* w, int64_t count) {
  T part[kStep] = {};
  memcpy(part, w, size_t(count) * sizeof(T));
  return load_pair(part);
}

// x [k] as f32 in the order in which load_pair(const T*) gives w.
template <typename T, typename X>
void pack_row(float* y, const X* x, int64_t k) {
  constexpr bool split = sizeof(T) == 2;
  for (int64_t p = 0; p < k; p += kStep)
    for (int64_t i = 0; i < kStep; i++) {
      int64_t from = p + (split ? i % W * 2 + i / W : i);
      y[p + i] = from < k ? to_f32(x[from]) : 0.0f;
    }
}

// y[i, j] for R packed rows of x, ldx apart, and N rows of w.
template <int R, int N, typename Y, typename T>
void dots(Y* y, int64_t ldy, const float* x, int64_t ldx, const T* w, int64_t k) {
  vf acc[R][N];
#pragma GCC unroll 8
  for (int i = 0; i < R; i++)
#pragma GCC unroll 8
    for (int j = 0; j < N; j++) acc[i][j] = zero();
  auto take = [&](int j, Pair weight, int64_t p) __attribute__((always_inline)) {
#pragma GCC unroll 8
    for (int i = 0; i < R; i++) {
      acc[i][j] = fma(load(x + i * ldx + p), weight.first, acc[i][j]);
      acc[i][j] = fma(load(x + i * ldx + p + W), weight.second, acc[i][j]);
    }
  };
  // The next N rows of w are fetched ahead in order: rows are short, and the hardware starts anew at each.
  constexpr int bytes = N * kStep * int(sizeof(T)), line = 64;
  const char* ahead = reinterpret_cast<const char*>(w + N * k);
  int64_t p = 0;
  for (; p + kStep <= k; p += kStep, ahead += bytes) {
#pragma GCC unroll 32
    for (int i = 0; i < bytes; i += line) __builtin_prefetch(ahead + i, 0, 2);
#pragma GCC unroll 8
    for (int j = 0; j < N; j++) take(j, load_pair(w + j * k + p), p);
  }
  if (p < k)
#pragma GCC unroll 8
    for (int j = 0; j < N; j++) take(j, load_pair_part(w + j * k + p, k - p), p);
  float sums[R * N];
  constexpr int together = R * N < W ? R * N : W;
#pragma GCC unroll 4
  for (int i = 0; i < R * N; i += together) sum_each<together>(sums + i, &acc[i / N][i % N]);
  for (int i = 0; i < R; i++)
    for (int j = 0; j < N; j++) y[i * ldy + j] = from_f32<Y>(sums[i * N + j]);
}

template <int R, typename Y, typename T>
void dots_over(Y* y, int64_t ldy, const float* x, int64_t ldx, const T* w, int64_t weights, int64_t k) {
  constexpr int sums = W == 16 ? 16 : 8, N = R == 1 || sums / R > 8 ? 8 : sums / R;
  int64_t j = 0;
  for (; j + N <= weights; j += N) dots<R, N>(y + j, ldy, x, ldx, w + j * k, k);
  for (; j < weights; j++) dots<R, 1>(y + j, ldy, x, ldx, w + j * k, k);
}

// y [rows, weights] (row stride ldy) = x [rows, k] * w [weights, k]^T.
template <typename Y, typename T>
void stream(Y* y, int64_t ldy, const float* x, int64_t ldx, const T* w, int64_t rows, int64_t weights, int64_t k) {
  int64_t i = 0;
  if constexpr (kRows == 8)
    for (; i + 8 <= rows; i += 8) dots_over<8>(y + i * ldy, ldy, x + i * ldx, ldx, w, weights, k);
  for (; i + 4 <= rows; i += 4) dots_over<4>(y + i * ldy, ldy, x + i * ldx, ldx, w, weights, k);
  for (; i + 2 <= rows; i += 2) dots_over<2>(y + i * ldy, ldy, x + i * ldx, ldx, w, weights, k);
  if (i < rows) dots_over<1>(y + i * ldy, ldy, x + i * ldx, ldx, w, weights, k);
}

template <typename Y, typename X, typename T>
void grouped(Y* y, const X* x, const T* w, const int32_t* offsets, int64_t groups, int64_t n, int64_t k) {
  int64_t rows = groups > 0 ? offsets[groups] : 0, ldx = (k + kStep - 1) / kStep * kStep;
  float* packed = scratch_of<float>(kPackedX, rows * ldx + W);
  parallel_ranges(rows, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) pack_row<T>(packed + i * ldx, x + i * k, k);
  });
  for_pieces(offsets, groups, n, k * int64_t(sizeof(T)), [&](int64_t row, int64_t count, int64_t first, int64_t weights, int64_t column) {
    stream(y + row * n + column, n, packed + row * ldx, ldx, w + first * k, count, weights, k);
  });
}

template <typename Y, typename X>
void with_weight(Y* y, const X* x, const void* w, const int32_t* offsets, int64_t groups, int64_t n, int64_t k, int32_t w_type) {
#if defined(FATHOM_BF16_DOTS)
  if constexpr (sizeof(X) == 2)
    if (w_type == BF16) {
      DotWeight weight{static_cast<const uint8_t*>(w), nullptr, k, k, 2 * k, 0};
      return dot_groups<kUnscaled>(y, x, DotBf16(), weight, offsets, groups, n);
    }
#endif
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

void fetch_weights(const void* w, const float* scales, const int32_t* offsets, int64_t groups, int64_t group_bytes, int64_t group_scales) {
  Ahead weights{{}, 0, group_bytes}, with_scales{{}, 0, group_scales * int64_t(sizeof(float))};
  for (int64_t e = 0; e < groups && weights.count < Ahead::kMost; e++) {
    if (offsets && offsets[e + 1] == offsets[e]) continue;
    weights.runs[weights.count++] = static_cast<const char*>(w) + e * group_bytes;
    if (scales) with_scales.runs[with_scales.count++] = scales + e * group_scales;
  }
  fetch_ahead(with_scales, weights);
}

}  // namespace FATHOM_ISA
}  // namespace fathom
