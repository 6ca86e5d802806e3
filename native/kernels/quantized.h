// Weights of 8 and 4 bits with one f32 scale for each `group` values of a row: value = stored * scale. Formats: E4M3, int8, and int4 with
// offset 8, where each 16 bytes hold 32 values, the first 16 in the low halves. Everything is decoded 32 values at a time, in order, so
// the rows of activations beside them are plain f32. E4M3 values are never NaN (checked when a file is opened), int8 values never -128.
#pragma once
#include <type_traits>

#include "kernels.h"
#include "lanes.h"
#include "number_formats.h"
#include "products.h"

namespace fathom {
namespace FATHOM_ISA {

constexpr int64_t kQuantStep = 32;  // values decoded at a time; groups are multiples of it
constexpr int kQuantVectors = kQuantStep / W;

inline int64_t quantized_bytes(int64_t values, int32_t format) { return format == Q_INT4 ? (values + 31) / 32 * 16 : values; }

typedef int16_t vs __attribute__((vector_size(W * 2), may_alias));
typedef int8_t vc_unaligned __attribute__((vector_size(W), aligned(1), may_alias));

#if defined(__AVX512F__)
// Four of the eight 64-bit words of x, from `First` on.
template <int First>
inline __m256i half_of(__m512i x) {
#if defined(FATHOM_HAS_SHUFFLE)
  return (__m256i)__builtin_shufflevector(x, x, First, First + 1, First + 2, First + 3);
#else
  return First == 0 ? _mm512_castsi512_si256(x) : _mm512_extracti64x4_epi64(x, 1);
#endif
}
#endif

// Stored values as floats, to be multiplied by kUnit times the scale.
struct QuantF8 {
  static constexpr int64_t bytes = 32;
#if defined(__AVX2__)
  // An E4M3 value shifted by 7 is an f16 value 2^8 times smaller, denormals included.
  static constexpr float kUnit = 256.0f;
#else
  static constexpr float kUnit = 1.0f;
#endif
  static void decode(vf* y, const uint8_t* p) {
#if defined(__AVX512F__)
    // The forms with a mask of ones, which GCC 12 drops, are those that it does not warn of.
    __m512i wide = _mm512_maskz_cvtepi8_epi16(~__mmask32(0), _mm256_loadu_si256((const __m256i*)p));
    __m512i half = _mm512_and_si512(_mm512_maskz_slli_epi16(~__mmask32(0), wide, 7), _mm512_set1_epi16(short(0xbfff)));
    y[0] = (vf)_mm512_maskz_cvtph_ps(__mmask16(0xffff), half_of<0>(half));
    y[1] = (vf)_mm512_maskz_cvtph_ps(__mmask16(0xffff), half_of<4>(half));
#elif defined(__AVX2__)
    for (int i = 0; i < 2; i++) {
      __m256i wide = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i*)(p + 16 * i)));
      __m256i half = _mm256_and_si256(_mm256_slli_epi16(wide, 7), _mm256_set1_epi16(short(0xbfff)));
      y[2 * i] = (vf)_mm256_cvtph_ps(_mm256_castsi256_si128(half));
      y[2 * i + 1] = (vf)_mm256_cvtph_ps(_mm256_extracti128_si256(half, 1));
    }
#else
    for (int i = 0; i < kQuantVectors; i++) y[i] = Float8::decode(p + i * W);
#endif
  }
};

struct QuantInt8 {
  static constexpr int64_t bytes = 32;
  static constexpr float kUnit = 1.0f;
  static void decode(vf* y, const uint8_t* p) {
    for (int i = 0; i < kQuantVectors; i++) {
#if defined(__AVX512F__)
      __m512i wide = _mm512_maskz_cvtepi8_epi32(__mmask16(0xffff), _mm_loadu_si128((const __m128i*)(p + 16 * i)));
      y[i] = (vf)_mm512_maskz_cvtepi32_ps(__mmask16(0xffff), wide);
#elif defined(__AVX2__)
      y[i] = (vf)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)(p + 8 * i))));
#else
      // Widening in two steps, which compilers have instructions for.
      vs wide = __builtin_convertvector(*reinterpret_cast<const vc_unaligned*>(p + i * W), vs);
      y[i] = __builtin_convertvector(__builtin_convertvector(wide, vi), vf);
#endif
    }
  }
};

struct QuantInt4 {
  static constexpr int64_t bytes = 16;
  static constexpr float kUnit = 1.0f;
  static void decode(vf* y, const uint8_t* p) {
    typedef uint8_t b16 __attribute__((vector_size(16), may_alias));
    typedef uint8_t b16_unaligned __attribute__((vector_size(16), aligned(1), may_alias));
    b16 packed = *reinterpret_cast<const b16_unaligned*>(p);
    alignas(32) b16 parts[2] = {(packed & 15) - 8, (packed >> 4) - 8};
    QuantInt8::decode(y, reinterpret_cast<const uint8_t*>(parts));
  }
};

// Calls body with the format's type.
template <typename F>
void with_format(int32_t format, F&& body) {
  if (format == Q_INT8) body(QuantInt8{});
  else if (format == Q_INT4) body(QuantInt4{});
  else body(QuantF8{});
}

// E4M3 whose NaNs stay NaNs: activations and gradients, which nobody has checked.
struct QuantF8Nan : QuantF8 {
  static void decode(vf* y, const uint8_t* p) {
    QuantF8::decode(y, p);
#if defined(__AVX2__)
    __m256i magnitude = _mm256_and_si256(_mm256_loadu_si256((const __m256i*)p), _mm256_set1_epi8(0x7f));
    uint32_t nan = uint32_t(_mm256_movemask_epi8(_mm256_cmpeq_epi8(magnitude, _mm256_set1_epi8(0x7f))));
    if (__builtin_expect(nan != 0, 0)) {
      for (int i = 0; i < kQuantStep; i++)
        if (nan >> i & 1) y[i / W][i % W] = NAN;
    }
#endif
  }
#if defined(__AVX512BW__)
  // Straight to bf16, by shifting exponent and mantissa into place; denormals come from a table.
  static void decode(bf16* y, const uint8_t* p) {
    const __m512i tiny = _mm512_castsi128_si512(_mm_setr_epi16(0, 0x3b00, 0x3b80, 0x3bc0, 0x3c00, 0x3c20, 0x3c40, 0x3c60));  // n 2^-9
    __m512i wide = _mm512_maskz_cvtepu8_epi16(~__mmask32(0), _mm256_loadu_si256((const __m256i*)p));
    __m512i magnitude = _mm512_and_si512(wide, _mm512_set1_epi16(0x7f));
    __m512i value = _mm512_add_epi16(_mm512_maskz_slli_epi16(~__mmask32(0), magnitude, 4), _mm512_set1_epi16(120 << 7));
    __mmask32 is_tiny = _mm512_cmplt_epu16_mask(magnitude, _mm512_set1_epi16(8)), is_nan = _mm512_cmpeq_epi16_mask(magnitude, _mm512_set1_epi16(0x7f));
    value = _mm512_mask_permutexvar_epi16(value, is_tiny, magnitude, tiny);
    value = _mm512_mask_mov_epi16(value, is_nan, _mm512_set1_epi16(0x7fc0));
    __m512i sign = _mm512_maskz_slli_epi16(~__mmask32(0), _mm512_xor_si512(wide, magnitude), 8);
    _mm512_storeu_si512(y, _mm512_or_si512(value, sign));
  }
#endif
};

// 1 sign, 5 exponent (bias 15), 6 mantissa bits: f16 without its last four. Two values in three bytes, the first in the lower bits.
struct QuantF12 {
  static constexpr int64_t bytes = 48;
  static constexpr float kUnit = 1.0f;
  static void decode(vf* y, const uint8_t* p) {
    alignas(64) uint16_t half[kQuantStep];
    for (int i = 0; i < kQuantStep / 2; i++, p += 3) {
      uint32_t both = uint32_t(p[0]) | uint32_t(p[1]) << 8 | uint32_t(p[2]) << 16;
      half[2 * i] = uint16_t(both << 4);
      half[2 * i + 1] = uint16_t(both >> 12 << 4);
    }
    for (int i = 0; i < kQuantVectors; i++) y[i] = Float16::decode(half + i * W);
  }
};

// Values [begin, begin + count) of a row of `length` as f32 or bf16: as stored or, with scales, multiplied by those of their groups.
template <typename Format, typename T>
void decode_run(T* y, const uint8_t* row, const float* scales, int64_t begin, int64_t count, int64_t length, int64_t group) {
  int64_t at = begin / kQuantStep * kQuantStep, end = begin + count;
  for (; at < end; at += kQuantStep) {
    const uint8_t* from = row + at / kQuantStep * Format::bytes;
    uint8_t part[64] = {};
    if (Format::bytes != 16 && length - at < kQuantStep) {
      memcpy(part, from, size_t((length - at) * Format::bytes + kQuantStep - 1) / kQuantStep);
      from = part;
    }
#if defined(__AVX512BW__)
    if constexpr (sizeof(T) == 2 && std::is_same_v<Format, QuantF8Nan>) {
      if (!scales && at >= begin && at + kQuantStep <= end) {
        Format::decode(y + (at - begin), from);
        continue;
      }
    }
#endif
    vf values[kQuantVectors];
    Format::decode(values, from);
    if (scales || Format::kUnit != 1.0f) {
      vf scale = splat((scales ? scales[at / group] : 1.0f) * Format::kUnit);
      for (vf& value : values) value *= scale;
    }
    if (at >= begin && at + kQuantStep <= end) {
      for (int v = 0; v < kQuantVectors; v++) store(y + (at - begin) + v * W, values[v]);
    } else {
      T whole[kQuantStep];
      for (int v = 0; v < kQuantVectors; v++) store(whole + v * W, values[v]);
      int64_t first = begin > at ? begin - at : 0, last = end - at < kQuantStep ? end - at : kQuantStep;
      memcpy(y + (at + first - begin), whole + first, size_t(last - first) * sizeof(T));
    }
  }
}

// Calls body with the format's type.
template <typename F>
void with_store(Store store, F&& body) {
  switch (store) {
    case Store::int8: return body(QuantInt8{});
    case Store::int4: return body(QuantInt4{});
    case Store::f12: return body(QuantF12{});
    default: return body(QuantF8Nan{});
  }
}

}  // namespace FATHOM_ISA
}  // namespace fathom
