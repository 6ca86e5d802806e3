// Number formats: conversion between f32, bf16, f16 and f8_e4m3fn, and FP8 weights with one scale per square block (DeepSeek-V3
// report, section 3.3). See kernels.h. Every conversion goes through f32, a run of values at a time; rounding is done on the bits, to
// nearest even, so that denormals and every instruction set give the same result.
#include <cstring>

#include "../parallel.h"
#include "kernels.h"
#include "lanes.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int64_t kGrain = 1 << 14;  // elements a chunk: long enough to hide the hand-out, short enough to balance
constexpr int64_t kRun = 256;        // values converted through f32 at a time: stays in L1
constexpr float kFp8Max = 448.0f;

typedef uint8_t vb __attribute__((vector_size(W), may_alias));
typedef uint8_t vb_unaligned __attribute__((vector_size(W), aligned(1), may_alias));

inline vu bits_of(vf x) { return reinterpret_cast<vu&>(x); }
inline vf float_of(vu x) { return reinterpret_cast<vf&>(x); }
inline vu select(vi condition, vu yes, vu no) { return ((vu)condition & yes) | (~(vu)condition & no); }

// ---- one vector in each format ----

struct Float32 {
  typedef float type;
  static vf decode(const float* p) { return load(p); }
  static void encode(float* p, vf x) { store(p, x); }
};

struct Bfloat16 {
  typedef bf16 type;
  static vf decode(const bf16* p) { return load(p); }
  // store() of simd.h may flush denormals; this one does not.
  static void encode(bf16* p, vf x) {
    vu u = bits_of(x);
    vu rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    vu chosen = select((u & 0x7fffffffu) > 0x7f800000u, (u >> 16) | 0x40u, rounded);
    *reinterpret_cast<vh_unaligned*>(p) = __builtin_convertvector(chosen, vh);
  }
};

// 1 sign, 5 exponent (bias 15), 10 mantissa bits; infinities and NaNs as in f32.
struct Float16 {
  typedef uint16_t type;
  static vf decode(const uint16_t* p) {
    vu h = __builtin_convertvector(*reinterpret_cast<const vh_unaligned*>(p), vu);
    vu magnitude = h & 0x7fffu;
    // Denormals are whole multiples of 2^-24; making them from f32 denormals would be slow on many CPUs.
    vf tiny = __builtin_convertvector((vi)magnitude, vf) * 0x1p-24f;
    vu finite = select(magnitude < 0x400u, bits_of(tiny), (magnitude << 13) + (112u << 23));
    return float_of(select(magnitude >= 0x7c00u, (magnitude << 13) | 0x7f800000u, finite) | ((h & 0x8000u) << 16));
  }
  static void encode(uint16_t* p, vf x) {
    vu u = bits_of(x);
    vu magnitude = u & 0x7fffffffu;
    vu rounded = ((magnitude + 0xfffu + ((magnitude >> 13) & 1u)) >> 13) - (112u << 10);
    rounded = select(magnitude >= 0x47800000u, vu{} + 0x7c00u, rounded);  // 2^16 and above: infinity
    // Below 2^-14 the steps are 2^-24, the last bit of numbers around 1/2: adding 1/2 rounds.
    vu tiny = bits_of(float_of(magnitude) + 0.5f) - 0x3f000000u;
    vu chosen = select(magnitude < 0x38800000u, tiny, rounded);
    chosen = select(magnitude > 0x7f800000u, ((magnitude >> 13) & 0x3ffu) | 0x7e00u, chosen);
    *reinterpret_cast<vh_unaligned*>(p) = __builtin_convertvector(chosen | ((u >> 16) & 0x8000u), vh);
  }
};

// 1 sign, 4 exponent (bias 7), 3 mantissa bits; no infinities, NaN is 0x7f or 0xff, the largest number 448 is 0x7e.
struct Float8 {
  typedef uint8_t type;
  static vf decode(const uint8_t* p) {
    // Widening in two steps, which compilers have instructions for.
    vu b = __builtin_convertvector(__builtin_convertvector(*reinterpret_cast<const vb_unaligned*>(p), vh), vu);
    vu magnitude = b & 0x7fu;
    vf tiny = __builtin_convertvector((vi)magnitude, vf) * 0x1p-9f;  // denormals are whole multiples of 2^-9
    vu finite = select(magnitude < 8u, bits_of(tiny), (magnitude << 20) + (120u << 23));
    return float_of(select(magnitude == 0x7fu, vu{} + 0x7fc00000u, finite) | ((b & 0x80u) << 24));
  }
  static void encode(uint8_t* p, vf x) {
    vu u = bits_of(x);
    vu magnitude = u & 0x7fffffffu;
    vi is_nan = magnitude > 0x7f800000u;
    magnitude = select(magnitude > 0x43e00000u, vu{} + 0x43e00000u, magnitude);  // 448
    vu rounded = ((magnitude + 0x7ffffu + ((magnitude >> 20) & 1u)) >> 20) - (120u << 3);
    // Below 2^-6 the steps are 2^-9, the last bit of numbers around 2^14.
    vu tiny = bits_of(float_of(magnitude) + 16384.0f) - 0x46800000u;
    vu chosen = select(magnitude < 0x3c800000u, tiny, rounded);
    chosen = select(is_nan, vu{} + 0x7fu, chosen);
    *reinterpret_cast<vb_unaligned*>(p) = __builtin_convertvector(__builtin_convertvector(chosen | ((u >> 24) & 0x80u), vh), vb);
  }
};

template <typename Format>
void decode_run(float* y, const typename Format::type* x, int64_t n) {
  int64_t i = 0;
  for (; i + W <= n; i += W) store(y + i, Format::decode(x + i));
  if (i == n) return;
  typename Format::type part[W] = {};
  memcpy(part, x + i, size_t(n - i) * sizeof(part[0]));
  vf last = Format::decode(part);
  memcpy(y + i, &last, size_t(n - i) * 4);
}

template <typename Format>
void encode_run(typename Format::type* y, const float* x, int64_t n) {
  int64_t i = 0;
  for (; i + W <= n; i += W) Format::encode(y + i, load(x + i));
  if (i == n) return;
  typename Format::type part[W];
  Format::encode(part, load_part(x + i, n - i));
  memcpy(y + i, part, size_t(n - i) * sizeof(part[0]));
}

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
