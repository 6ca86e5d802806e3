// See fp8_emulation.h. The obvious loops: one output at a time, operands decoded once to f32.
#include "fp8_emulation.h"

#include "../parallel.h"
#include "fp8_formats.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int64_t kProducts = 32;

// The sum of a[i] * b[i] for at most 128 terms, at strides.
float truncated_sum(const float* a, int64_t a_stride, const float* b, int64_t b_stride, int64_t count, int32_t bits) {
  float total = 0;
  for (int64_t first = 0; first < count; first += kProducts) {
    float term[kProducts + 1] = {total};
    int64_t n = count - first < kProducts ? count - first : kProducts;
    float most = fabsf(total);
    bool is_finite = std::isfinite(total);
    for (int64_t i = 0; i < n; i++) {
      float product = a[(first + i) * a_stride] * b[(first + i) * b_stride];  // exact: 4 and 7 bits at most
      term[i + 1] = product;
      is_finite = is_finite && std::isfinite(product);
      most = fabsf(product) > most ? fabsf(product) : most;
    }
    if (!is_finite) return float_from_bits(0x7fc00000u);
    if (most == 0) continue;
    int exponent;
    frexpf(most, &exponent);  // most < 2^exponent
    float unit = ldexpf(1.0f, exponent - bits);
    float sum = 0;  // whole multiples of the unit, at most 33 * 2^bits of them: exact
    for (int64_t i = 0; i <= n; i++) sum += truncf(term[i] / unit);
    total = sum * unit;
  }
  return total;
}

void add_to(void* y, int64_t at, float value, bool accumulate, int32_t type) {
  if (type == BF16) {
    bf16* to = static_cast<bf16*>(y) + at;
    *to = to_bf16(accumulate ? to_f32(*to) + value : value);
  } else {
    float* to = static_cast<float*>(y) + at;
    *to = accumulate ? *to + value : value;
  }
}

// Stored values of a matrix in f32, without scales; kept by the calling thread.
const float* decoded(int slot, const void* q, int64_t rows, int64_t k, int32_t format) {
  float* y = scratch_of<float>(slot, rows * k + kFp8Tile + W);
  for (int64_t r = 0; r < rows; r++)
    for (int64_t at = 0; at < k; at += kFp8Tile) {
      float run[kFp8Tile + W];
      int64_t n = k - at < kFp8Tile ? k - at : kFp8Tile;
      fp8_decode(run, static_cast<const uint8_t*>(q) + r * fp8_row_bytes(k, format), at, n, format);
      memcpy(y + r * k + at, run, size_t(n) * 4);
    }
  return y;
}

int64_t group_of(const int32_t* offsets, int64_t row) {
  int64_t e = 0;
  while (offsets[e + 1] <= row) e++;
  return e;
}

int64_t tile_length(int64_t whole, int64_t tile) {
  int64_t left = whole - tile * kFp8Tile;
  return left < kFp8Tile ? left : kFp8Tile;
}

}  // namespace

void emulate_forward(void* y, const void* x, const float* x_scales, const void* w, const float* w_scales, const int32_t* offsets,
                     int64_t groups, int64_t n, int64_t k, int32_t x_format, int32_t y_type, int32_t bits) {
  int64_t rows = offsets[groups], across = fp8_tiles(k), down = fp8_tiles(n);
  const float* a = decoded(2, x, rows, k, x_format);
  const float* b = decoded(3, w, groups * n, k, F8_E4M3);
  parallel_for(rows, [&](int64_t r) {
    int64_t e = group_of(offsets, r);
    for (int64_t j = 0; j < n; j++) {
      float total = 0;
      for (int64_t t = 0; t < across; t++) {
        int64_t at = t * kFp8Tile;
        float sum = truncated_sum(a + r * k + at, 1, b + (e * n + j) * k + at, 1, tile_length(k, t), bits);
        total += sum * (x_scales[r * across + t] * w_scales[(e * down + j / kFp8Tile) * across + t]);
      }
      add_to(y, r * n + j, total, false, y_type);
    }
  });
}

void emulate_input_gradient(void* dx, const void* dy, const float* dy_scales, const void* w, const float* w_scales,
                            const int32_t* offsets, int64_t groups, int64_t n, int64_t k, int32_t accumulate, int32_t dx_type,
                            int32_t bits) {
  int64_t rows = offsets[groups], across = fp8_tiles(k), down = fp8_tiles(n);
  const float* a = decoded(2, dy, rows, n, F8_E4M3);
  const float* b = decoded(3, w, groups * n, k, F8_E4M3);
  parallel_for(rows, [&](int64_t r) {
    int64_t e = group_of(offsets, r);
    for (int64_t j = 0; j < k; j++) {
      float total = 0;
      for (int64_t t = 0; t < down; t++) {
        int64_t at = t * kFp8Tile;
        float sum = truncated_sum(a + r * n + at, 1, b + (e * n + at) * k + j, k, tile_length(n, t), bits);
        total += sum * (dy_scales[r * down + t] * w_scales[(e * down + t) * across + j / kFp8Tile]);
      }
      add_to(dx, r * k + j, total, accumulate != 0, dx_type);
    }
  });
}

void emulate_weight_gradient(float* dw, const void* dy, const float* dy_scales, const void* x, const float* x_scales,
                             const int32_t* offsets, int64_t groups, int64_t n, int64_t k, int32_t bits) {
  int64_t rows = offsets[groups];
  const float* a = decoded(2, dy, rows, n, F8_E4M3);
  const float* b = decoded(3, x, rows, k, F8_E4M3);
  parallel_for(groups * n, [&](int64_t chunk) {
    int64_t e = chunk / n, i = chunk % n, count = offsets[e + 1] - offsets[e];
    for (int64_t j = 0; j < k; j++)
      for (int64_t t = 0; t < fp8_tiles(count); t++) {
        int64_t first = offsets[e] + t * kFp8Tile, scale = offsets[e] / kFp8Tile + e + t;
        float sum = truncated_sum(a + first * n + i, n, b + first * k + j, k, tile_length(count, t), bits);
        dw[(e * n + i) * k + j] += sum * (dy_scales[scale * n + i] * x_scales[scale * k + j]);
      }
  });
}

}  // namespace FATHOM_ISA
}  // namespace fathom
