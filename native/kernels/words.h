// What panels of matrix products consist of: words of 32 bits, each one f32 value of the contraction or, where the processor multiplies
// bf16 fast (instruction set avx512bf16), two bf16 values of it, the even one in the lower half. Elsewhere bf16 is widened to f32
// while packing: on Emerald Rapids VDPBF16PS was measured at half the rate of two f32 multiply-adds a cycle, on Zen 4 at twice.
// VDPBF16PS takes denormals as zero.
#pragma once
#include "simd.h"

namespace fathom {
namespace FATHOM_ISA {

#if defined(FATHOM_BF16_DOT)
constexpr bool kHasPairs = true;
#else
constexpr bool kHasPairs = false;
#endif

inline int64_t least_of(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t most_of(int64_t a, int64_t b) { return a > b ? a : b; }

// The next `count` values, of which a vector takes at most W; the rest is zero.
template <typename T>
inline vf load_up_to(const T* x, int64_t count) {
  return count >= W ? load(x) : load_part(x, count);
}

struct Values {
  static constexpr int64_t per_word = 1;
  typedef float Element;
  static int64_t words(int64_t values) { return values; }
  static vf broadcast(const float* word) { return splat(*word); }
  static vf multiply_add(vf a, vf b, vf sum) { return fma(a, b, sum); }
};

// Only what the instruction set has is instantiated.
struct Pairs {
  static constexpr int64_t per_word = 2;
  typedef bf16 Element;
  static int64_t words(int64_t values) { return (values + 1) / 2; }
#if defined(FATHOM_BF16_DOT)
  static vf broadcast(const float* word) { return (vf)_mm512_castsi512_ps(_mm512_set1_epi32(*reinterpret_cast<const int32_t*>(word))); }
  static vf multiply_add(vf a, vf b, vf sum) { return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)(__m512)a, (__m512bh)(__m512)b); }
  // Words of f32 values rounded to bf16, `even` below.
  static vf join(vf even, vf odd) {
    __m512i both = (__m512i)_mm512_cvtne2ps_pbh((__m512)odd, (__m512)even);
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3,
                                           18, 2, 17, 1, 16, 0);
    return (vf)_mm512_castsi512_ps(_mm512_permutexvar_epi16(order, both));
  }
#endif
  // The words of up to W columns at two rows of the contraction; no odd row: zero.
  static vf join(const bf16* even, const bf16* odd, int64_t count) {
    vu low = (vu)load_up_to(even, count) >> 16;
    return (vf)(odd ? low | (vu)load_up_to(odd, count) : low);
  }
};

}  // namespace FATHOM_ISA
}  // namespace fathom
