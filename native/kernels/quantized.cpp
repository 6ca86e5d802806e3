// To and from weights of 8 and 4 bits with a scale for each group of a row; quantized.h has the formats.
#include "quantized.h"

#include "../parallel.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int64_t kChunkValues = 1 << 16;

int64_t rows_in_chunk(int64_t k) { return rows_per_chunk(k, kChunkValues); }

// Whole numbers in [-most, most], ties to even.
int32_t whole(float x, float most) { return int32_t(nearbyintf(x < -most ? -most : x > most ? most : x)); }

// `count` values, up to a group, times `inverse`, to the stored form at p.
void encode_group(uint8_t* p, const float* x, int64_t count, float inverse, int32_t format) {
  if (format == Q_F8_E4M3) {
    float scaled[kQuantStep];
    for (int64_t i = 0; i < count; i += kQuantStep) {
      int64_t here = count - i < kQuantStep ? count - i : kQuantStep;
      for (int64_t j = 0; j < here; j++) scaled[j] = x[i + j] * inverse;
      encode_run<Float8>(p + i, scaled, here);
    }
  } else if (format == Q_INT8) {
    for (int64_t i = 0; i < count; i++) p[i] = uint8_t(int8_t(whole(x[i] * inverse, 127)));
  } else {
    for (int64_t i = 0; i < count; i += kQuantStep, p += kQuantStep / 2) {
      uint8_t value[kQuantStep];
      for (int64_t j = 0; j < kQuantStep; j++) value[j] = i + j < count ? uint8_t(whole(x[i + j] * inverse, 7) + 8) : 8;
      for (int64_t j = 0; j < kQuantStep / 2; j++) p[j] = uint8_t(value[j] | value[j + kQuantStep / 2] << 4);
    }
  }
}

template <typename T>
void quantize(uint8_t* q, float* scales, const T* w, int64_t rows, int64_t k, int64_t group, int32_t format) {
  float most = format == Q_F8_E4M3 ? kFp8Max : format == Q_INT8 ? 127.0f : 7.0f;
  int64_t row_bytes = quantized_bytes(k, format), row_scales = (k + group - 1) / group;
  parallel_ranges(rows, rows_in_chunk(k), [&](int64_t begin, int64_t end) {
    float* x = scratch_of<float>(0, k + W);
    for (int64_t r = begin; r < end; r++) {
      for_lanes(k, [&](int64_t i, auto lane) { lane.store(x + i, lane.load(w + r * k + i)); });
      for (int64_t g = 0, p = 0; p < k; g++, p += group) {
        int64_t count = k - p < group ? k - p : group;
        float largest = 0;
        for (int64_t i = 0; i < count; i++) largest = fabsf(x[p + i]) > largest ? fabsf(x[p + i]) : largest;
        float scale = largest > 0 ? largest / most : 1.0f;
        scales[r * row_scales + g] = scale;
        encode_group(q + r * row_bytes + quantized_bytes(p, format), x + p, count, 1.0f / scale, format);
      }
    }
  });
}

template <typename T>
void dequantize(T* y, const uint8_t* q, const float* scales, int64_t rows, int64_t k, int64_t group, int32_t format) {
  int64_t row_bytes = quantized_bytes(k, format), row_scales = (k + group - 1) / group;
  with_format(format, [&](auto type) {
    parallel_ranges(rows, rows_in_chunk(k), [&](int64_t begin, int64_t end) {
      float* x = scratch_of<float>(0, k + W);
      for (int64_t r = begin; r < end; r++) {
        decode_run<decltype(type)>(x, q + r * row_bytes, scales + r * row_scales, 0, k, k, group);
        for_lanes(k, [&](int64_t i, auto lane) { lane.store(y + r * k + i, lane.load(x + i)); });
      }
    });
  });
}

}  // namespace

void quantize_rows(void* q, float* scales, const void* w, int64_t rows, int64_t k, int64_t group, int32_t format, int32_t w_type) {
  if (w_type == BF16) quantize(static_cast<uint8_t*>(q), scales, static_cast<const bf16*>(w), rows, k, group, format);
  else quantize(static_cast<uint8_t*>(q), scales, static_cast<const float*>(w), rows, k, group, format);
}

void dequantize_rows(void* y, const void* q, const float* scales, int64_t rows, int64_t k, int64_t group, int32_t format, int32_t y_type) {
  if (y_type == BF16) dequantize(static_cast<bf16*>(y), static_cast<const uint8_t*>(q), scales, rows, k, group, format);
  else dequantize(static_cast<float*>(y), static_cast<const uint8_t*>(q), scales, rows, k, group, format);
}

}  // namespace FATHOM_ISA
}  // namespace fathom
