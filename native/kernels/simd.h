// One vector type and the few operations kernels need, for every instruction set from the same source: compiler vector
// extensions, whose width the build chooses (16, 8 or 4 floats). Each kernel file is compiled once per instruction set with
// FATHOM_ISA naming the namespace; intrinsics appear only where the extensions have no word for an instruction.
// Storage types are f32 and bf16; arithmetic is always f32.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define FATHOM_HAS_SHUFFLE 1
#endif
#endif

#ifndef FATHOM_ISA
#error "FATHOM_ISA names the namespace: avx512, avx2 or portable"
#endif

namespace fathom {

// Storage of one bfloat16: the upper half of a float32.
struct bf16 {
  uint16_t bits;
};

namespace FATHOM_ISA {

#if defined(__AVX512F__)
constexpr int W = 16;
#elif defined(__AVX2__)
constexpr int W = 8;
#else
constexpr int W = 4;
#endif

typedef float vf __attribute__((vector_size(W * 4), may_alias));
typedef float vf_unaligned __attribute__((vector_size(W * 4), aligned(4), may_alias));
typedef int32_t vi __attribute__((vector_size(W * 4), may_alias));
typedef uint32_t vu __attribute__((vector_size(W * 4), may_alias));
typedef uint16_t vh __attribute__((vector_size(W * 2), may_alias));
typedef uint16_t vh_unaligned __attribute__((vector_size(W * 2), aligned(2), may_alias));

inline vf splat(float x) { return x - vf{}; }  // x - 0 is x for every x, -0 included, and costs nothing
inline vf zero() { return vf{}; }

inline float to_f32(float x) { return x; }
inline float to_f32(bf16 x) {
  uint32_t bits = uint32_t(x.bits) << 16;
  float y;
  memcpy(&y, &bits, 4);
  return y;
}

// Round to nearest even; a NaN stays a NaN (its payload is cut, and a quiet bit set so that it cannot become infinity).
inline bf16 to_bf16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return bf16{uint16_t((bits >> 16) | 0x40)};
  return bf16{uint16_t((bits + 0x7fffu + ((bits >> 16) & 1)) >> 16)};
}

template <typename T>
inline T from_f32(float x);
template <>
inline float from_f32<float>(float x) { return x; }
template <>
inline bf16 from_f32<bf16>(float x) { return to_bf16(x); }

inline vf load(const float* p) { return *reinterpret_cast<const vf_unaligned*>(p); }
inline vf load(const bf16* p) {
  vh h = *reinterpret_cast<const vh_unaligned*>(p);
  vu u = __builtin_convertvector(h, vu) << 16;
  return reinterpret_cast<vf&>(u);
}

inline void store(float* p, vf x) { *reinterpret_cast<vf_unaligned*>(p) = x; }
inline void store(bf16* p, vf x) {
#if defined(__AVX512BF16__)
  // vcvtneps2bf16 rounds to nearest even as to_bf16 does; it flushes denormals to zero, which to_bf16's callers never see
  // the difference of: a denormal f32 is below every bf16 gradient that matters.
  __m256bh h = _mm512_cvtneps_pbh(reinterpret_cast<__m512&>(x));
  memcpy(p, &h, 32);
#else
  vu u = reinterpret_cast<vu&>(x);
  vi is_nan = (vi)((u & 0x7fffffffu) > 0x7f800000u);
  vu rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  vu quiet = (u >> 16) | 0x40u;
  vu chosen = ((vu)is_nan & quiet) | (~(vu)is_nan & rounded);
  *reinterpret_cast<vh_unaligned*>(p) = __builtin_convertvector(chosen, vh);
#endif
}

// The first n < W elements; the rest of the vector is zero (loads) or left alone in memory (stores).
template <typename T>
inline vf load_part(const T* p, int64_t n) {
#if defined(__AVX512BW__) && defined(__AVX512VL__)
  if constexpr (sizeof(T) == 4) return (vf)_mm512_maskz_loadu_ps(__mmask16((1u << n) - 1), p);
  vh half = (vh)_mm256_maskz_loadu_epi16(__mmask16((1u << n) - 1), p);
  vu wide = __builtin_convertvector(half, vu) << 16;
  return reinterpret_cast<vf&>(wide);
#else
  T buffer[W] = {};
  memcpy(buffer, p, size_t(n) * sizeof(T));
  return load(buffer);
#endif
}
template <typename T>
inline void store_part(T* p, vf x, int64_t n) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) return _mm512_mask_storeu_ps(p, __mmask16((1u << n) - 1), (__m512)x);
#endif
  T buffer[W];
  store(buffer, x);
  memcpy(p, buffer, size_t(n) * sizeof(T));
}

inline vf fma(vf a, vf b, vf c) {
#if defined(__AVX512F__)
  return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
  return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
  return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return a * b + c;
#endif
}
inline vf vmax(vf a, vf b) { return a > b ? a : b; }
inline vf vmin(vf a, vf b) { return a < b ? a : b; }
inline vf vsqrt(vf x) {
  vf y;
  for (int i = 0; i < W; i++) y[i] = std::sqrt(x[i]);
  return y;
}

// Sums in a fixed tree: halves, quarters, ...; the same order in every call.
inline float sum(vf x) {
  float lane[W];
  memcpy(lane, &x, sizeof x);
  for (int half = W / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) lane[i] += lane[i + half];
  return lane[0];
}
inline float max_of(vf x) {
  float lane[W];
  memcpy(lane, &x, sizeof x);
  for (int half = W / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) lane[i] = lane[i] > lane[i + half] ? lane[i] : lane[i + half];
  return lane[0];
}

// e^x: x = n ln2 + r, |r| <= ln2/2, a polynomial of degree 6 for e^r, n put into the exponent. Relative error below 3e-7;
// clamped to [-87.3, 88.7], so it neither overflows nor makes denormals. NaN stays NaN.
inline vf vexp(vf x) {
  vf clamped = vmin(vmax(x, splat(-87.3f)), splat(88.7f));
  clamped = x == x ? clamped : x;
  vf scaled = clamped * 1.44269504088896341f;
  vf n = scaled + 12582912.0f;  // 1.5 * 2^23: rounds to the nearest integer
  vi exponent = (vi)n - (vi)splat(12582912.0f);
  n = n - 12582912.0f;
  vf r = fma(n, splat(-0.693359375f), clamped);
  r = fma(n, splat(2.12194440e-4f), r);
  vf p = splat(1.3981999507e-3f);
  p = fma(p, r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  p = fma(p, r * r, r + 1.0f);
  vi power = (exponent + 127) << 23;
  return p * (vf)power;
}

inline vf vsigmoid(vf x) { return splat(1.0f) / (vexp(-x) + 1.0f); }

}  // namespace FATHOM_ISA
}  // namespace fathom
