// The three products of an FP8 linear, straight from E4M3 bytes. See kernels.h; DeepSeek-V3 report, section 3.3.2. A chunk is 64 columns of
// the result: the operand that all rows share is decoded to f32 once, and a block of 128 of the contraction is summed in registers.
#include "../parallel.h"
#include "fp8_emulation.h"
#include "fp8_formats.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int64_t kColumns = 64;
constexpr int kVectors = int(kColumns / W);

// sums[64] = sum over p < count of a[p * stride] * b[p, 64].
inline void block_sum(vf* sums, const float* a, int64_t stride, const float* b, int64_t count) {
  for (int v = 0; v < kVectors; v++) sums[v] = zero();
  for (int64_t p = 0; p < count; p++) {
    vf x = splat(a[p * stride]);
    for (int v = 0; v < kVectors; v++) sums[v] = fma(x, load(b + p * kColumns + v * W), sums[v]);
  }
}

// The first n of 64 sums to y, which is added to if accumulate.
template <typename T>
inline void put(T* y, const vf* sums, int64_t n, bool accumulate) {
  for (int64_t i = 0; i < n; i += W) {
    vf value = sums[i / W];
    if (n - i >= W) store(y + i, accumulate ? value + load(y + i) : value);
    else store_part(y + i, accumulate ? value + load_part(y + i, n - i) : value, n - i);
  }
}

inline void put_typed(void* y, int64_t at, const vf* sums, int64_t n, bool accumulate, int32_t type) {
  if (type == BF16) put(static_cast<bf16*>(y) + at, sums, n, accumulate);
  else put(static_cast<float*>(y) + at, sums, n, accumulate);
}

inline int64_t length_of(int64_t whole, int64_t tile) {
  int64_t left = whole - tile * kFp8Tile;
  return left < kFp8Tile ? left : kFp8Tile;
}

// Stored values [rows, columns] from `at` on of a row-major matrix, to y [rows, 64], the places after them zero.
void decode_strip(float* y, const uint8_t* q, int64_t rows, int64_t row_length, int64_t at, int64_t columns) {
  if (columns < kColumns) memset(y, 0, size_t(rows * kColumns) * 4);
  for (int64_t r = 0; r < rows; r++) decode_run<Float8>(y + r * kColumns, q + r * row_length + at, columns);
}

// The same of its transpose: y [row_length, 64] from rows [at, at + columns).
void decode_transposed(float* y, const uint8_t* q, int64_t row_length, int64_t at, int64_t columns) {
  if (columns < kColumns) memset(y, 0, size_t(row_length * kColumns) * 4);
  float run[kFp8Tile];
  for (int64_t j = 0; j < columns; j++)
    for (int64_t p = 0; p < row_length; p += kFp8Tile) {
      int64_t n = row_length - p < kFp8Tile ? row_length - p : kFp8Tile;
      decode_run<Float8>(run, q + (at + j) * row_length + p, n);
      for (int64_t i = 0; i < n; i++) y[(p + i) * kColumns + j] = run[i];
    }
}

// y[rows of e, columns from `at` on] (+)= a times a decoded strip b [length, 64]; scale_of(block) is that of w's block.
template <typename ScaleOf>
void rows_times_strip(void* y, int64_t y_columns, int64_t at, int64_t columns, const uint8_t* a, const float* a_scales, int32_t a_format,
                      const float* b, int64_t length, int64_t first, int64_t last, bool accumulate, int32_t y_type, ScaleOf&& scale_of) {
  int64_t blocks = fp8_tiles(length);
  alignas(64) float run[kFp8Tile + W];
  for (int64_t r = first; r < last; r++) {
    vf total[kVectors] = {}, sums[kVectors];
    for (int64_t t = 0; t < blocks; t++) {
      int64_t n = length_of(length, t);
      fp8_decode(run, a + r * fp8_row_bytes(length, a_format), t * kFp8Tile, n, a_format);
      block_sum(sums, run, 1, b + t * kFp8Tile * kColumns, n);
      vf scale = splat(a_scales[r * blocks + t] * scale_of(t));
      for (int v = 0; v < kVectors; v++) total[v] += sums[v] * scale;
    }
    put_typed(y, r * y_columns + at, total, columns, accumulate, y_type);
  }
}

}  // namespace

void fp8_forward(void* y, const void* x, const float* x_scales, const void* w, const float* w_scales, const int32_t* offsets,
                 int64_t groups, int64_t n, int64_t k, int32_t x_format, int32_t y_type, int32_t accumulation_bits) {
  if (accumulation_bits) return emulate_forward(y, x, x_scales, w, w_scales, offsets, groups, n, k, x_format, y_type, accumulation_bits);
  int64_t strips = (n + kColumns - 1) / kColumns, across = fp8_tiles(k), down = fp8_tiles(n);
  parallel_for(groups * strips, [&](int64_t chunk) {
    int64_t e = chunk / strips, at = chunk % strips * kColumns, columns = n - at < kColumns ? n - at : kColumns;
    if (offsets[e] == offsets[e + 1]) return;
    float* b = scratch_of<float>(1, k * kColumns + W);
    decode_transposed(b, static_cast<const uint8_t*>(w) + e * n * k, k, at, columns);
    const float* scales = w_scales + (e * down + at / kFp8Tile) * across;
    rows_times_strip(y, n, at, columns, static_cast<const uint8_t*>(x), x_scales, x_format, b, k, offsets[e], offsets[e + 1], false,
                     y_type, [&](int64_t t) { return scales[t]; });
  });
}

void fp8_input_gradient(void* dx, const void* dy, const float* dy_scales, const void* w, const float* w_scales, const int32_t* offsets,
                        int64_t groups, int64_t n, int64_t k, int32_t accumulate, int32_t dx_type, int32_t accumulation_bits) {
  if (accumulation_bits)
    return emulate_input_gradient(dx, dy, dy_scales, w, w_scales, offsets, groups, n, k, accumulate, dx_type, accumulation_bits);
  int64_t strips = (k + kColumns - 1) / kColumns, across = fp8_tiles(k), down = fp8_tiles(n);
  parallel_for(groups * strips, [&](int64_t chunk) {
    int64_t e = chunk / strips, at = chunk % strips * kColumns, columns = k - at < kColumns ? k - at : kColumns;
    if (offsets[e] == offsets[e + 1]) return;
    float* b = scratch_of<float>(1, n * kColumns + W);
    decode_strip(b, static_cast<const uint8_t*>(w) + e * n * k, n, k, at, columns);
    const float* scales = w_scales + e * down * across + at / kFp8Tile;
    rows_times_strip(dx, k, at, columns, static_cast<const uint8_t*>(dy), dy_scales, F8_E4M3, b, n, offsets[e], offsets[e + 1],
                     accumulate != 0, dx_type, [&](int64_t t) { return scales[t * across]; });
  });
}

void fp8_weight_gradient(float* dw, const void* dy, const float* dy_scales, const void* x, const float* x_scales, const int32_t* offsets,
                         int64_t groups, int64_t n, int64_t k, int32_t accumulation_bits) {
  if (accumulation_bits) return emulate_weight_gradient(dw, dy, dy_scales, x, x_scales, offsets, groups, n, k, accumulation_bits);
  int64_t strips = (k + kColumns - 1) / kColumns;
  parallel_for(groups * strips, [&](int64_t chunk) {
    int64_t e = chunk / strips, at = chunk % strips * kColumns, columns = k - at < kColumns ? k - at : kColumns;
    int64_t count = offsets[e + 1] - offsets[e];
    float* b = scratch_of<float>(1, kFp8Tile * kColumns + W);
    float* a = scratch_of<float>(2, kFp8Tile * n + kFp8Tile + W);
    for (int64_t t = 0; t < fp8_tiles(count); t++) {
      int64_t first = offsets[e] + t * kFp8Tile, rows = length_of(count, t), scale_row = offsets[e] / kFp8Tile + e + t;
      decode_strip(b, static_cast<const uint8_t*>(x) + first * k, rows, k, at, columns);
      decode_run<Float8>(a, static_cast<const uint8_t*>(dy) + first * n, rows * n);
      vf scales[kVectors] = {};
      for (int64_t i = 0; i < columns; i += W)
        scales[i / W] = columns - i >= W ? load(x_scales + scale_row * k + at + i) : load_part(x_scales + scale_row * k + at + i, columns - i);
      for (int64_t j = 0; j < n; j++) {
        vf sums[kVectors];
        block_sum(sums, a + j, n, b, rows);
        vf scale = splat(dy_scales[scale_row * n + j]);
        for (int v = 0; v < kVectors; v++) sums[v] *= scale * scales[v];
        put(dw + (e * n + j) * k + at, sums, columns, true);
      }
    }
  });
}

}  // namespace FATHOM_ISA
}  // namespace fathom
