// Products of few rows with a large weight of 8 or 4 bits: as gemm_decode.cpp, w is read once, in order. A group's products are summed
// with the values as stored and multiplied by its scale once. Every output is the same chain whatever the number of rows.
#include "decode_dots.h"
#include "decode_groups.h"
#include "gemm_pack.h"
#include "quantized.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int kRows = W == 16 ? 8 : 4;  // rows of x that share a load of w

struct Weight {
  const uint8_t* values;
  const float* scales;
  int64_t k, group, row_bytes, row_scales;

  Weight from(int64_t row) const { return {values + row * row_bytes, scales + row * row_scales, k, group, row_bytes, row_scales}; }
};

// y[i, j] for R packed rows of x, ldx apart, and N rows of w.
template <int R, int N, typename Format, typename Y>
void dots(Y* y, int64_t ldy, const float* x, int64_t ldx, const Weight& w) {
  vf acc[R][N];
#pragma GCC unroll 8
  for (int i = 0; i < R; i++)
#pragma GCC unroll 8
    for (int j = 0; j < N; j++) acc[i][j] = zero();
  for (int64_t p = 0, g = 0; p < w.k; p += w.group, g++) {
    int64_t end = w.k - p < w.group ? w.k - p : w.group, whole = end / kQuantStep * kQuantStep;
    const uint8_t* at = w.values + p / kQuantStep * Format::bytes;
#pragma GCC unroll 8
    for (int j = 0; j < N; j++, at += w.row_bytes) {
      vf sum[R][2];
#pragma GCC unroll 8
      for (int i = 0; i < R; i++) sum[i][0] = sum[i][1] = zero();
      auto take = [&](const uint8_t* from, const float* row) __attribute__((always_inline)) {
        vf values[kQuantVectors];
        Format::decode(values, from);
#pragma GCC unroll 8
        for (int v = 0; v < kQuantVectors; v++)
#pragma GCC unroll 8
          for (int i = 0; i < R; i++) sum[i][v & 1] = fma(load(row + i * ldx + v * W), values[v], sum[i][v & 1]);
      };
      // The same group of the row N further on, which is needed next.
      const char* ahead = reinterpret_cast<const char*>(at + N * w.row_bytes);
      for (int64_t q = 0; q < whole; q += kQuantStep) {
        const uint8_t* from = at + q / kQuantStep * Format::bytes;
        if (q % (2 * kQuantStep) == 0) __builtin_prefetch(ahead + q / kQuantStep * Format::bytes, 0, 2);
        take(from, x + p + q);
      }
      if (whole < end) {
        uint8_t part[kQuantStep] = {};
        const uint8_t* from = at + whole / kQuantStep * Format::bytes;
        memcpy(part, from, size_t(Format::bytes == kQuantStep ? end - whole : Format::bytes));
        take(part, x + p + whole);
      }
      vf scale = splat(w.scales[j * w.row_scales + g] * Format::kUnit);
#pragma GCC unroll 8
      for (int i = 0; i < R; i++) acc[i][j] = fma(sum[i][0] + sum[i][1], scale, acc[i][j]);
    }
  }
  float sums[R * N];
  constexpr int together = R * N < W ? R * N : W;
#pragma GCC unroll 4
  for (int i = 0; i < R * N; i += together) sum_each<together>(sums + i, &acc[i / N][i % N]);
  for (int i = 0; i < R; i++)
    for (int j = 0; j < N; j++) y[i * ldy + j] = from_f32<Y>(sums[i * N + j]);
}

template <int R, typename Format, typename Y>
void dots_over(Y* y, int64_t ldy, const float* x, int64_t ldx, const Weight& w, int64_t weights) {
  constexpr int sums = W == 16 ? 16 : 8, N = R == 1 || sums / R > 8 ? 8 : sums / R;
  int64_t j = 0;
  for (; j + N <= weights; j += N) dots<R, N, Format>(y + j, ldy, x, ldx, w.from(j));
  for (; j < weights; j++) dots<R, 1, Format>(y + j, ldy, x, ldx, w.from(j));
}

// y [rows, weights] (row stride ldy) = x [rows, k] * w [weights, k]^T.
template <typename Format, typename Y>
void stream(Y* y, int64_t ldy, const float* x, int64_t ldx, const Weight& w, int64_t rows, int64_t weights) {
  int64_t i = 0;
  if constexpr (kRows == 8)
    for (; i + 8 <= rows; i += 8) dots_over<8, Format>(y + i * ldy, ldy, x + i * ldx, ldx, w, weights);
  for (; i + 4 <= rows; i += 4) dots_over<4, Format>(y + i * ldy, ldy, x + i * ldx, ldx, w, weights);
  for (; i + 2 <= rows; i += 2) dots_over<2, Format>(y + i * ldy, ldy, x + i * ldx, ldx, w, weights);
  if (i < rows) dots_over<1, Format>(y + i * ldy, ldy, x + i * ldx, ldx, w, weights);
}

// x as f32, rows filled up with zeros to whole steps.
template <typename X>
void pack(float* y, int64_t ldy, const X* x, int64_t rows, int64_t k) {
  parallel_ranges(rows, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      for_lanes(k, [&](int64_t p, auto lane) { lane.store(y + i * ldy + p, lane.load(x + i * k + p)); });
      for (int64_t p = k; p < ldy; p++) y[i * ldy + p] = 0;
    }
  });
}

}  // namespace

void linear_decode_quantized(void* y, const void* x, const void* w, const float* scales, const int32_t* offsets, int64_t groups, int64_t n,
                             int64_t k, int64_t group, int32_t format, int32_t y_type, int32_t x_type) {
  int64_t row_bytes = quantized_bytes(k, format), row_scales = (k + group - 1) / group;
#if defined(FATHOM_BF16_DOTS)
  DotWeight weight{static_cast<const uint8_t*>(w), scales, k, group, row_bytes, row_scales};
  auto multiply = [&](auto format, auto scaling) {
    constexpr int S = decltype(scaling)::value;
    const bf16* from = static_cast<const bf16*>(x);
    if (y_type == BF16) dot_groups<S>(static_cast<bf16*>(y), from, format, weight, offsets, groups, n);
    else dot_groups<S>(static_cast<float*>(y), from, format, weight, offsets, groups, n);
  };
  if (x_type == BF16 && with_dot_format(scales, group, format, multiply)) return;
#endif
  int64_t rows = groups > 0 ? offsets[groups] : 0, ldx = (k + kQuantStep - 1) / kQuantStep * kQuantStep;
  float* packed = scratch_of<float>(kPackedX, rows * ldx + W);
  if (x_type == BF16) pack(packed, ldx, static_cast<const bf16*>(x), rows, k);
  else pack(packed, ldx, static_cast<const float*>(x), rows, k);
  Weight all{static_cast<const uint8_t*>(w), scales, k, group, row_bytes, row_scales};
  with_format(format, [&](auto type) {
    using Format = decltype(type);
    for_pieces(offsets, groups, n, row_bytes, [&](int64_t row, int64_t count, int64_t first, int64_t weights, int64_t column) {
      const float* from = packed + row * ldx;
      if (y_type == BF16) stream<Format>(static_cast<bf16*>(y) + row * n + column, n, from, ldx, all.from(first), count, weights);
      else stream<Format>(static_cast<float*>(y) + row * n + column, n, from, ldx, all.from(first), count, weights);
    });
  });
}

}  // namespace FATHOM_ISA
}  // namespace fathom
