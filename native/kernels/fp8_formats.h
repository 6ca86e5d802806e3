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

// E4M3 bytes as numbers; a NaN only comes with the scale NaN, so its byte may decode to anything.
inline void decode_e4m3(float* y, const uint8_t* x, int64_t n) {
#if defined(__AVX512F__)
  // An E4M3 value shifted by 7 is an f16 value 2^8 times smaller, denormals included.
  for (int64_t i = 0; i < n; i += W) {
    alignas(16) uint8_t part[W] = {};
    if (n - i < W) memcpy(part, x + i, size_t(n - i));
    __m128i bytes = _mm_loadu_si128((const __m128i*)(n - i < W ? part : x + i));
    __m256i half = _mm256_and_si256(_mm256_slli_epi16(_mm256_cvtepi8_epi16(bytes), 7), _mm256_set1_epi16(short(0xbfff)));
    vf values = (vf)_mm512_maskz_cvtph_ps(__mmask16(0xffff), half) * 256.0f;
    if (n - i < W) store_part(y + i, values, n - i);
    else store(y + i, values);
  }
#else
  decode_run<Float8>(y, x, n);
#endif
}

// Stored values [at, at + n) of a row, without their scale, to y; n <= kFp8Tile, `at` even. Writes whole vectors: y has kFp8Tile places.
inline void fp8_decode(float* y, const uint8_t* row, int64_t at, int64_t n, int32_t format) {
  if (format != F12_E5M6) return decode_e4m3(y, row + at, n);
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

// E4M3 of numbers of at most 448 and a rounding error: Float8::encode without what only others need.
inline void fp8_encode_bounded(uint8_t* p, vf x) {
  vu u = bits_of(x);
  vu magnitude = u & 0x7fffffffu;
  vu rounded = ((magnitude + 0x7ffffu + ((magnitude >> 20) & 1u)) >> 20) - (120u << 3);
  vu tiny = bits_of(float_of(magnitude) + 16384.0f) - 0x46800000u;
#if defined(__AVX512F__)
  __mmask16 is_tiny = _mm512_cmplt_epu32_mask((__m512i)magnitude, _mm512_set1_epi32(0x3c800000));
  __m512i code = _mm512_or_si512(_mm512_mask_blend_epi32(is_tiny, (__m512i)rounded, (__m512i)tiny), (__m512i)((u >> 24) & 0x80u));
  _mm_storeu_si128((__m128i*)p, _mm512_maskz_cvtepi32_epi8(__mmask16(0xffff), code));
#else
  vu code = select(magnitude < 0x3c800000u, tiny, rounded) | ((u >> 24) & 0x80u);
  *reinterpret_cast<vb_unaligned*>(p) = __builtin_convertvector(__builtin_convertvector(code, vh), vb);
#endif
}

// x / scale for the n <= kFp8Tile values from `at` on, to the stored form. x has kFp8Tile places, scale is fp8_scale of theirs.
inline void fp8_encode(uint8_t* row, const float* x, float scale, int64_t at, int64_t n, int32_t format) {
  Divider divided(splat(scale));
  if (format != F12_E5M6) {
    if (scale != scale) {
      memset(row + at, 0x7f, size_t(n));
      return;
    }
    int64_t i = 0;
    for (; i + W <= n; i += W) fp8_encode_bounded(row + at + i, divided(load(x + i)));
    if (i == n) return;
    uint8_t part[W];
    fp8_encode_bounded(part, divided(load(x + i)));
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

inline vi vmax_bits(vi a, vi b) {
#if defined(__AVX512F__)
  return (vi)_mm512_maskz_max_epi32(__mmask16(0xffff), (__m512i)a, (__m512i)b);
#else
  return a > b ? a : b;
#endif
}
// The size of x as an integer that orders like it, NaN above infinity above numbers.
inline vi size_bits(vf x) { return (vi)(bits_of(x) & 0x7fffffffu); }

inline int32_t largest_bits(vi sizes) {
#if defined(__AVX512F__)
  // By halves; GCC 12 warns of its own _mm512_reduce_max_epi32.
  __m256i eight = _mm256_max_epi32(_mm512_maskz_extracti64x4_epi64(__mmask8(0xff), (__m512i)sizes, 0),
                                   _mm512_maskz_extracti64x4_epi64(__mmask8(0xff), (__m512i)sizes, 1));
  __m128i four = _mm_max_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0xb1));
  return _mm_cvtsi128_si32(four);
#else
  int32_t most = 0;
  for (int i = 0; i < W; i++) most = sizes[i] > most ? sizes[i] : most;
  return most;
#endif
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
