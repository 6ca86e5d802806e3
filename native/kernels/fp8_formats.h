// What FP8 training stores: E4M3 (number_formats.h) and, for the attention's output, E5M6: f16 cut to 6 mantissa bits (1 sign, 5 exponent
// bits of bias 15, infinities' exponent kept for NaN). The report names E5M6 without its encoding; this one is assumed. Two values make
// three bytes, the first in the low 12 bits of the little-endian word; a row of odd length ends with half a pair.
#pragma once
#include "kernels.h"
#include "lanes.h"
#include "number_formats.h"

namespace fathom {
namespace FATHOM_ISA {

constexpr int64_t kFp8Tile = 128;  // values that share a scale along a row or a column, and the edge of a block

inline int64_t fp8_tiles(int64_t n) { return (n + kFp8Tile - 1) / kFp8Tile; }
inline int64_t fp8_row_bytes(int64_t k, int32_t format) { return format == F12_E5M6 ? (k + 1) / 2 * 3 : k; }

// Codes of 12 bits, one a lane.
struct E5M6 {
  static vf decode(vu code) {
    vu magnitude = code & 0x7ffu;
    vf tiny = __builtin_convertvector((vi)magnitude, vf) * 0x1p-20f;  // denormals are whole multiples of 2^-20
    vu finite = select(magnitude < 0x40u, bits_of(tiny), (magnitude << 17) + (112u << 23));
    return float_of(select(magnitude >= 0x7c0u, vu{} + 0x7fc00000u, finite) | ((code & 0x800u) << 20));
  }
  // Nearest even; saturates at the largest number, 65024.
  static vu encode(vf x) {
    vu u = bits_of(x);
    vu magnitude = u & 0x7fffffffu;
    vi is_nan = magnitude > 0x7f800000u;
    magnitude = select(magnitude > 0x477e0000u, vu{} + 0x477e0000u, magnitude);
    vu rounded = ((magnitude + 0xffffu + ((magnitude >> 17) & 1u)) >> 17) - (112u << 6);
    // Below 2^-14 the steps are 2^-20, the last bit of numbers around 8.
    vu tiny = bits_of(float_of(magnitude) + 8.0f) - 0x41000000u;
    vu chosen = select(magnitude < 0x38800000u, tiny, rounded);
    return select(is_nan, vu{} + 0x7e0u, chosen) | ((u >> 20) & 0x800u);
  }
};

// Stored values [at, at + n) of a row, without their scale, to y; n <= kFp8Tile, `at` even. Writes whole vectors: y has kFp8Tile places.
inline void fp8_decode(float* y, const uint8_t* row, int64_t at, int64_t n, int32_t format) {
  if (format != F12_E5M6) return decode_run<Float8>(y, row + at, n);
  alignas(64) uint32_t codes[kFp8Tile + W] = {};
  const uint8_t* p = row + at / 2 * 3;
  for (int64_t i = 0; i < n; i += 2, p += 3) {
    uint32_t pair = uint32_t(p[0]) | uint32_t(p[1]) << 8 | uint32_t(p[2]) << 16;
    codes[i] = pair & 0xfffu;
    codes[i + 1] = pair >> 12;
  }
  for (int64_t i = 0; i < n; i += W) store(y + i, E5M6::decode(*reinterpret_cast<const vu*>(codes + i)));
}

// x / s for an s above zero whose inverse is a number, correctly rounded: a product with the reciprocal and one correction (Markstein 1990), few operations in
// the place of a slow one. Needs a fused multiply-add.
struct Divider {
  vf s, inverse;
  explicit Divider(vf scale) : s(scale), inverse(splat(1.0f) / scale) {}
  vf operator()(vf x) const {
#if defined(__FMA__) || defined(__AVX512F__) || defined(__aarch64__)
    vf quotient = x * inverse;
    vf corrected = fma(fma(-quotient, s, x), inverse, quotient);
    return float_of(bits_of(corrected) | (bits_of(x) & 0x80000000u));  // -0 / s is -0
#else
    return x / s;
#endif
  }
};

// x / scale for the n <= kFp8Tile values from `at` on, to the stored form. x has kFp8Tile places.
inline void fp8_encode(uint8_t* row, const float* x, float scale, int64_t at, int64_t n, int32_t format) {
  Divider divided(splat(scale));
  if (format != F12_E5M6) {
    int64_t i = 0;
    for (; i + W <= n; i += W) Float8::encode(row + at + i, divided(load(x + i)));
    if (i == n) return;
    uint8_t part[W];
    Float8::encode(part, divided(load(x + i)));
    memcpy(row + at + i, part, size_t(n - i));
    return;
  }
  alignas(64) uint32_t codes[kFp8Tile];
  for (int64_t i = 0; i < n; i += W) *reinterpret_cast<vu*>(codes + i) = E5M6::encode(divided(load(x + i)));
  if (n % 2 == 1) codes[n] = 0;
  uint8_t* p = row + at / 2 * 3;
  for (int64_t i = 0; i < n; i += 2, p += 3) {
    uint32_t pair = codes[i] | codes[i + 1] << 12;
    p[0] = uint8_t(pair), p[1] = uint8_t(pair >> 8), p[2] = uint8_t(pair >> 16);
  }
}

inline vi vmax_bits(vi a, vi b) { return a > b ? a : b; }
// The size of x as an integer that orders like it, NaN above infinity above numbers.
inline vi size_bits(vf x) { return (vi)(bits_of(x) & 0x7fffffffu); }

inline int32_t largest_bits(vi sizes) {
  int32_t most = 0;
  for (int i = 0; i < W; i++) most = sizes[i] > most ? sizes[i] : most;
  return most;
}

inline float float_from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}
inline uint32_t bits_from_float(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}

// The reference's floor of amax for activations; see kernels.h.
constexpr float kActivationFloor = 1e-4f;

// The scale of a tile whose largest size has these bits; see kernels.h.
inline float fp8_scale(int32_t most, bool power_of_two, float floor) {
  if (most >= 0x7f800000) return float_from_bits(0x7fc00000u);
  float amax = float_from_bits(uint32_t(most));
  float scale = (amax > floor ? amax : floor) / kFp8Max;
  return power_of_two ? float_from_bits((bits_from_float(scale) + 0x7fffffu) & 0xff800000u) : scale;
}

}  // namespace FATHOM_ISA
}  // namespace fathom
