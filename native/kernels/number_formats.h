// One vector of numbers in each storage format, to f32 and back. Rounding is done on the bits, to nearest even, so that denormals and
// every instruction set give the same result.
#pragma once
#include "simd.h"

namespace fathom {
namespace FATHOM_ISA {

constexpr float kFp8Max = 448.0f;

typedef uint8_t vb __attribute__((vector_size(W), may_alias));
typedef uint8_t vb_unaligned __attribute__((vector_size(W), aligned(1), may_alias));

inline vu bits_of(vf x) { return reinterpret_cast<vu&>(x); }
inline vf float_of(vu x) { return reinterpret_cast<vf&>(x); }
inline vu select(vi condition, vu yes, vu no) { return ((vu)condition & yes) | (~(vu)condition & no); }

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
    chosen |= (u >> 24) & 0x80u;
#if defined(__AVX512F__)
    _mm_storeu_si128((__m128i*)p, _mm512_maskz_cvtepi32_epi8(__mmask16(0xffff), (__m512i)chosen));  // narrowed at once
#else
    *reinterpret_cast<vb_unaligned*>(p) = __builtin_convertvector(__builtin_convertvector(chosen, vh), vb);
#endif
  }
};

template <typename Format>
inline void decode_run(float* y, const typename Format::type* x, int64_t n) {
  int64_t i = 0;
  for (; i + W <= n; i += W) store(y + i, Format::decode(x + i));
  if (i == n) return;
  typename Format::type part[W] = {};
  memcpy(part, x + i, size_t(n - i) * sizeof(part[0]));
  vf last = Format::decode(part);
  memcpy(y + i, &last, size_t(n - i) * 4);
}

template <typename Format>
inline void encode_run(typename Format::type* y, const float* x, int64_t n) {
  int64_t i = 0;
  for (; i + W <= n; i += W) Format::encode(y + i, load(x + i));
  if (i == n) return;
  typename Format::type part[W];
  Format::encode(part, load_part(x + i, n - i));
  memcpy(y + i, part, size_t(n - i) * sizeof(part[0]));
}

}  // namespace FATHOM_ISA
}  // namespace fathom
