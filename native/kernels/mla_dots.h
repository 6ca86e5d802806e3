// The two products of decoding's attention by VDPBF16PS: 16 heads are the lanes of the scores, and cached rows are read as they lie in memory.
// Scores multiply pairs of neighbouring values of an entry; sums over positions multiply pairs of neighbouring positions, whose values are
// interleaved on the way. Probabilities are rounded to bf16, as the cached values are; sums are f32, denormal products count as zero.
#pragma once
#include "gemm_pack.h"
#include "lanes.h"

#if defined(__AVX512BF16__)
#define FATHOM_MLA_DOTS 1

namespace fathom {
namespace FATHOM_ISA {
namespace mla_dots {

constexpr int64_t kHeads = 16;  // heads computed together, one a lane

inline vf dot_pairs(vf sum, __m512i a, __m512i b) { return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b); }
inline __m512i pair_everywhere(const uint32_t* p) { return _mm512_set1_epi32(int32_t(*p)); }

// y[pair][head] = values 2 * pair and 2 * pair + 1 of each of `count` heads' queries (row stride `width`), zero for absent heads.
inline void pack_queries(uint32_t* y, const bf16* q, int64_t count, int64_t width) {
  for (int64_t p = 0; p < width / 2; p += 16) {
    int64_t words = width / 2 - p < 16 ? width / 2 - p : 16;
    vf block[16];
    for (int64_t h = 0; h < 16; h++) {
      const float* from = reinterpret_cast<const float*>(q + h * width) + p;
      block[h] = h >= count ? zero() : words == 16 ? load(from) : load_part(from, words);
    }
    transpose(block);
    for (int64_t i = 0; i < words; i++) store(reinterpret_cast<float*>(y) + (p + i) * 16, block[i]);
  }
}

// scores[i][head] = scale * rows[i] . query, for P cached rows `stride` pairs apart.
template <int P>
inline void score_rows(float* scores, const uint32_t* queries, const uint32_t* rows, int64_t stride, int64_t pairs, float scale) {
  vf acc[P];
#pragma GCC unroll 8
  for (int i = 0; i < P; i++) acc[i] = zero();
  const uint32_t *upper = rows + 3 * stride, *top = rows + 6 * stride;
  for (int64_t p = 0; p < pairs; p++) {
    __m512i query = _mm512_loadu_si512(queries + p * kHeads);
#pragma GCC unroll 8
    for (int i = 0; i < P; i++) {
      const uint32_t* row = i < 3 ? rows + i * stride : i < 6 ? upper + (i - 3) * stride : top + (i - 6) * stride;
      acc[i] = dot_pairs(acc[i], pair_everywhere(row + p), query);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < P; i++) store(scores + i * kHeads, acc[i] * scale);
}

inline void scores(float* y, const uint32_t* queries, const uint32_t* rows, int64_t stride, int64_t count, int64_t pairs, float scale) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    // The next rows: memory is far, and the hardware sees eight short streams.
    for (int64_t line = 0; line < 8 * stride; line += 16) __builtin_prefetch(rows + (i + 8) * stride + line, 0, 3);
    score_rows<8>(y + i * kHeads, queries, rows + i * stride, stride, pairs, scale);
  }
  for (; i + 4 <= count; i += 4) score_rows<4>(y + i * kHeads, queries, rows + i * stride, stride, pairs, scale);
  for (; i < count; i++) score_rows<1>(y + i * kHeads, queries, rows + i * stride, stride, pairs, scale);
}

// y[pair][head] = the probabilities of two neighbouring positions in bf16; zero beside a last position without a neighbour.
inline void pack_probabilities(uint32_t* y, const float* p, int64_t count) {
  for (int64_t i = 0; i < count; i += 2, y += kHeads) {
    bf16 pair[2][kHeads] = {};
    store(pair[0], load(p + i * kHeads));
    if (i + 1 < count) store(pair[1], load(p + (i + 1) * kHeads));
    vu low = (vu)load(pair[0]) >> 16, high = (vu)load(pair[1]);
    _mm512_storeu_si512(y, (__m512i)(low | high));
  }
}

// For H heads and 32 columns: sums[h] = factor[h] * sums[h] + sum over positions, in the order that interleaving leaves (see `in_order`).
template <int H>
inline void add_columns(float* sums, int64_t ld, const float* factor, const uint32_t* probabilities, const bf16* rows, int64_t stride,
                        int64_t count, __mmask32 columns) {
  vf acc[H][2];
#pragma GCC unroll 8
  for (int h = 0; h < H; h++)
    for (int v = 0; v < 2; v++) acc[h][v] = factor ? load(sums + h * ld + v * 16) * factor[h] : zero();
  for (int64_t i = 0; i < count; i += 2, probabilities += kHeads) {
    __m512i first = _mm512_maskz_loadu_epi16(columns, rows + i * stride);
    __m512i second = _mm512_maskz_loadu_epi16(columns, rows + (i + 1 < count ? i + 1 : i) * stride);
    __m512i low = _mm512_maskz_unpacklo_epi16(~__mmask32(0), first, second), high = _mm512_maskz_unpackhi_epi16(~__mmask32(0), first, second);
#pragma GCC unroll 8
    for (int h = 0; h < H; h++) {
      __m512i p = pair_everywhere(probabilities + h);
      acc[h][0] = dot_pairs(acc[h][0], p, low);
      acc[h][1] = dot_pairs(acc[h][1], p, high);
    }
  }
#pragma GCC unroll 8
  for (int h = 0; h < H; h++)
    for (int v = 0; v < 2; v++) store(sums + h * ld + v * 16, acc[h][v]);
}

// sums [heads, ld] of `heads` <= 16 heads over the c latent columns; a null factor means that there are no sums yet.
inline void add_values(float* sums, int64_t ld, const float* factor, const uint32_t* probabilities, const bf16* rows, int64_t stride,
                       int64_t count, int64_t heads, int64_t c) {
  for (int64_t j = 0; j < c; j += 32) {
    __mmask32 columns = c - j >= 32 ? ~__mmask32(0) : (__mmask32(1) << (c - j)) - 1;
    int64_t h = 0;
    auto add = [&](auto some) {
      constexpr int H = decltype(some)::value;
      add_columns<H>(sums + h * ld + j, ld, factor ? factor + h : nullptr, probabilities + h, rows + j, stride, count, columns);
      h += H;
    };
    while (h + 8 <= heads) add(std::integral_constant<int, 8>{});
    while (h + 4 <= heads) add(std::integral_constant<int, 4>{});
    while (h < heads) add(std::integral_constant<int, 1>{});
  }
}

// 32 columns as add_columns leaves them, to their own order.
inline void in_order(float* sums) {
  __m512i low = _mm512_loadu_si512(sums), high = _mm512_loadu_si512(sums + 16);
  __m512i first = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  __m512i second = _mm512_setr_epi32(8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  _mm512_storeu_si512(sums, _mm512_permutex2var_epi32(low, first, high));
  _mm512_storeu_si512(sums + 16, _mm512_permutex2var_epi32(low, second, high));
}

}  // namespace mla_dots
}  // namespace FATHOM_ISA
}  // namespace fathom
#endif
