// Number formats: conversion between f32, bf16, f16 and f8_e4m3fn, and FP8 weights with one scale per square block (DeepSeek-V3
// report, section 3.3). See kernels.h. Every conversion goes through f32, a run of values at a time; rounding is done on the bits, to
// nearest even, so that denormals and every instruction set give the same result.
#include <cstring>

#include "../parallel.h"
#include "kernels.h"
#include "lanes.h"
#include "number_formats.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int64_t kGrain = 1 << 14;  // elements a chunk: long enough to hide the hand-out, short enough to balance
constexpr int64_t kRun = 256;        // values converted through f32 at a time: stays in L1

void decode(float* y, const void* x, int64_t at, int64_t n, int32_t type) {
  switch (type) {
    case F32: return decode_run<Float32>(y, (const float*)x + at, n);
    case BF16: return decode_run<Bfloat16>(y, (const bf16*)x + at, n);
    case F16: return decode_run<Float16>(y, (const uint16_t*)x + at, n);
    default: return decode_run<Float8>(y, (const uint8_t*)x + at, n);
  }
}

void encode(void* y, const float* x, int64_t at, int64_t n, int32_t type) {
  switch (type) {
    case F32: return encode_run<Float32>((float*)y + at, x, n);
    case BF16: return encode_run<Bfloat16>((bf16*)y + at, x, n);
    case F16: return encode_run<Float16>((uint16_t*)y + at, x, n);
    default: return encode_run<Float8>((uint8_t*)y + at, x, n);
  }
}

int64_t bytes_of(int32_t type) { return type == F32 ? 4 : type == F8_E4M3 ? 1 : 2; }

void convert_range(void* y, const void* x, int64_t begin, int64_t end, int32_t y_type, int32_t x_type) {
  if (y_type == x_type) {
    int64_t bytes = bytes_of(x_type);
    memcpy((char*)y + begin * bytes, (const char*)x + begin * bytes, size_t((end - begin) * bytes));
  } else if (y_type == F32) {
    decode((float*)y + begin, x, begin, end - begin, x_type);
  } else if (x_type == F32) {
    encode(y, (const float*)x + begin, begin, end - begin, y_type);
  } else {
    alignas(64) float run[kRun];
    for (int64_t i = begin; i < end; i += kRun) {
      int64_t n = end - i < kRun ? end - i : kRun;
      decode(run, x, i, n, x_type);
      encode(y, run, i, n, y_type);
    }
  }
}

float largest(const float* x, int64_t n) {
  vf most = zero();
  for_lanes(n, [&](int64_t i, auto lane) {
    vf v = lane.load(x + i);
    most = vmax(vmax(v, -v), most);
  });
  return max_of(most);
}

// Calls body(element, run, values, column block) for the runs of one row, none of which crosses a block.
template <typename Body>
inline void for_runs(int64_t row, int64_t cols, int64_t block, Body&& body) {
  for (int64_t first = 0; first < cols; first += block) {
    int64_t end = first + block < cols ? first + block : cols;
    for (int64_t j = first; j < end; j += kRun) body(row * cols + j, end - j < kRun ? end - j : kRun, first / block);
  }
}

}  // namespace

void convert(void* y, const void* x, int64_t n, int32_t y_type, int32_t x_type) {
  parallel_ranges(n, kGrain, [&](int64_t begin, int64_t end) { convert_range(y, x, begin, end, y_type, x_type); });
}

void find_fp8_nan(double* index, const void* q, int64_t n) {
  const uint8_t* x = static_cast<const uint8_t*>(q);
  constexpr int64_t piece = 1 << 18;  // several for each thread in the matrix of one expert
  int64_t pieces = (n + piece - 1) / piece;
  double* found = scratch_of<double>(0, pieces + 1);
  parallel_for(pieces, [&](int64_t p) {
    found[p] = -1;
    int64_t end = (p + 1) * piece < n ? (p + 1) * piece : n;
    for (int64_t i = p * piece; i < end; i += kRun) {
      int64_t count = end - i < kRun ? end - i : kRun;
      uint8_t any = 0;
      for (int64_t j = 0; j < count; j++) any |= uint8_t((x[i + j] & 0x7f) == 0x7f);
      if (!any) continue;
      while ((x[i] & 0x7f) != 0x7f) i++;
      found[p] = double(i);
      return;
    }
  });
  *index = -1;
  for (int64_t p = pieces - 1; p >= 0; p--)
    if (found[p] >= 0) *index = found[p];
}

void dequantize_fp8_blocks(void* y, const void* q, const float* scale_inv, int64_t rows, int64_t cols, int64_t block,
                           int32_t y_type) {
  int64_t blocks = (cols + block - 1) / block;
  parallel_ranges(cols > 0 ? rows : 0, 16, [&](int64_t begin, int64_t end) {
    alignas(64) float run[kRun];
    for (int64_t i = begin; i < end; i++)
      for_runs(i, cols, block, [&](int64_t at, int64_t n, int64_t b) {
        float s = scale_inv[i / block * blocks + b];
        decode(run, q, at, n, F8_E4M3);
        for (int64_t j = 0; j < n; j++) run[j] *= s;
        encode(y, run, at, n, y_type);
      });
  });
}

void quantize_fp8_blocks(void* q, float* scale_inv, const void* w, int64_t rows, int64_t cols, int64_t block, int32_t w_type) {
  int64_t blocks = (cols + block - 1) / block;
  parallel_ranges(cols > 0 ? rows : 0, block, [&](int64_t begin, int64_t end) {
    alignas(64) float run[kRun];
    float* scales = scale_inv + begin / block * blocks;
    for (int64_t b = 0; b < blocks; b++) scales[b] = 0;
    for (int64_t i = begin; i < end; i++)
      for_runs(i, cols, block, [&](int64_t at, int64_t n, int64_t b) {
        decode(run, w, at, n, w_type);
        float most = largest(run, n);
        if (most > scales[b]) scales[b] = most;
      });
    for (int64_t b = 0; b < blocks; b++) scales[b] = scales[b] > 0 ? scales[b] / kFp8Max : 1.0f;
    for (int64_t i = begin; i < end; i++)
      for_runs(i, cols, block, [&](int64_t at, int64_t n, int64_t b) {
        decode(run, w, at, n, w_type);
        for (int64_t j = 0; j < n; j++) run[j] /= scales[b];
        encode(q, run, at, n, F8_E4M3);
      });
  });
}

void fill(float* y, float value, int64_t n) {
  parallel_ranges(n, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) y[i] = value;
  });
}

}  // namespace FATHOM_ISA
}  // namespace fathom
