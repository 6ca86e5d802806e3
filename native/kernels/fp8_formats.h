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

inline vi vmax_bits(vi a, vi b) {
#if defined(__AVX512F__)
  return (vi)_mm512_maskz_max_epi32(__mmask16(0xffff), (__m512i)a, (__m512i)b);
#else
  return a > b ? a : b;
#endif
}
// |x| / s for an s above zero whose inverse is a number, correctly rounded: a product with the reciprocal and one correction (Markstein 1990), few
// operations in the place of a slow one. Needs a fused multiply-add.
struct Divider {
  vf s, inverse;
  explicit Divider(vf scale) : Divider(scale, splat(1.0f) / scale) {}
  Divider(vf scale, vf inverse) : s(scale), inverse(inverse) {}
  vf magnitude(vf x) const {
    vf size = float_of(bits_of(x) & 0x7fffffffu);
#if defined(__FMA__) || defined(__AVX512F__) || defined(__aarch64__)
    vf quotient = size * inverse;
    return fma(fma(-quotient, s, size), inverse, quotient);
#else
    return size / s;
#endif
  }
  vf operator()(vf x) const { return float_of(bits_of(magnitude(x)) | (bits_of(x) & 0x80000000u)); }  // -0 / s is -0
};

// E4M3 of x / s, at most 448 and a rounding error: Float8::encode without what only others need. Around a number of exponent e, at least -6,
// E4M3's steps are 2^(e - 3): added to a float whose last bit is one step, the number is rounded to whole steps, 8 to 16 of them (fewer below
// 2^-6), and from the first code of the exponent on codes count steps. All of it modulo 256, where that float's own bits are kBias.
inline void fp8_encode_bounded(uint8_t* p, const Divider& divided, vf x) {
  constexpr int32_t kLeast = 121 << 23;  // 2^-6, whose first code is 8 = (121 << 3) + 8 + kBias, 8 steps being counted
  constexpr int32_t kBias = 56;          // even: ties fall as without it
  vf size = divided.magnitude(x);
  vi power = vmax_bits((vi)(bits_of(size) & 0x7f800000u), vi{} + kLeast);
  vf steps = size + float_of((vu)(power + ((20 << 23) + 0x400000 + kBias)));
  vu code = bits_of(steps) + ((vu)power >> 20), sign = bits_of(x) >> 24;
#if defined(__AVX512F__)
  code = (vu)_mm512_ternarylogic_epi32((__m512i)code, (__m512i)sign, _mm512_set1_epi32(0x80), 0xf8);  // code | (sign & 0x80)
  _mm_storeu_si128((__m128i*)p, _mm512_maskz_cvtepi32_epi8(__mmask16(0xffff), (__m512i)code));
#else
  code = (code & 0xffu) | (sign & 0x80u);
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
    for (; i + W <= n; i += W) fp8_encode_bounded(row + at + i, divided, load(x + i));
    if (i == n) return;
    uint8_t part[W];
    fp8_encode_bounded(part, divided, load(x + i));
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

// The scales of tiles whose largest sizes have these bits, one a lane; see kernels.h.
inline vf fp8_scales(vi most, bool power_of_two, float floor) {
  vf scale = float_of((vu)vmax_bits(most, vi{} + int32_t(bits_from_float(floor)))) / kFp8Max;
  if (power_of_two) scale = float_of((bits_of(scale) + 0x7fffffu) & 0xff800000u);
  return float_of(select(most >= 0x7f800000, vu{} + 0x7fc00000u, bits_of(scale)));
}
inline float fp8_scale(int32_t most, bool power_of_two, float floor) { return fp8_scales(vi{} + most, power_of_two, floor)[0]; }

}  // namespace FATHOM_ISA
}  // namespace fathom
