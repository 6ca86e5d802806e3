// Dot products of bf16 activations with stored weights by VDPBF16PS, for decoding: every weight format of 16 bits or fewer is exact in bf16, so
// products are exact and sums f32, as in the other instruction sets' products in f32; only the order of summation is this one's own, and
// denormal products count as zero. 8-bit weights become bf16 by two table look-ups of 64 bytes (VPERMI2B): 7 bits of magnitude choose the
// low and the high byte, to which the sign is added. Few rows of x wait for memory, which likes one weight row read from end to end before
// the next (two or four side by side came a sixth slower); many rows wait for arithmetic and run in tiles, with the same sums.
#pragma once
#include "decode_groups.h"
#include "gemm_pack.h"
#include "quantized.h"

#if defined(__AVX512BF16__) && defined(__AVX512VBMI__)
#define FATHOM_BF16_DOTS 1

namespace fathom {
namespace FATHOM_ISA {

constexpr int64_t kDotStep = 64;  // values a step
constexpr int kDotRows = 7;       // rows of x that share a read of the weights from end to end
constexpr int kTiledPlain = 7, kTiledDecoded = 15;  // rows of x from which tiles are faster (measured)
constexpr int kTileX = 4, kTileW = 2;  // rows of x and of weights side by side: loads serve several products, whose eight chains hide latency
constexpr int64_t kDotWeights = W;     // weight rows whose sums are added up together
constexpr int64_t kDotDecoded = 8192;  // values of weights decoded at a time: half of a first-level cache
constexpr int64_t kDotAhead = 8192;  // bytes fetched ahead, to the second-level cache: what memory delivers in its own latency, and more
constexpr int64_t kScalesAhead = 16;  // weight rows whose scales are fetched ahead

inline __m512i load_bytes(const void* p) { return _mm512_loadu_si512(p); }
inline vf dot_pairs(vf sum, __m512i x, __m512i w) { return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)x, (__m512bh)w); }

// The bytes of bf16 magnitudes, by 7 bits of a stored value.
struct alignas(64) MagnitudeBytes {
  uint8_t low[128], high[128];
};
// mantissa * 2^exponent as bf16, for a mantissa below 2^8.
constexpr uint32_t bf16_magnitude(uint32_t mantissa, int exponent) {
  if (mantissa == 0) return 0;
  while (mantissa < 128) mantissa *= 2, exponent--;
  return (mantissa & 127) | uint32_t(exponent + 7 + 127) << 7;
}
template <typename Magnitude>
constexpr MagnitudeBytes magnitude_bytes(Magnitude magnitude) {
  MagnitudeBytes bytes{};
  for (uint32_t i = 0; i < 128; i++) {
    uint32_t bits = magnitude(i);
    bytes.low[i] = uint8_t(bits), bytes.high[i] = uint8_t(bits >> 8);
  }
  return bytes;
}
constexpr MagnitudeBytes kE4m3Bytes = magnitude_bytes([](uint32_t i) constexpr {
  if (i == 127) return uint32_t(0x7fc0);
  return i < 8 ? bf16_magnitude(i, -9) : bf16_magnitude(8 + i % 8, int(i / 8) - 10);
});
constexpr MagnitudeBytes kIntegerBytes = magnitude_bytes([](uint32_t i) constexpr { return bf16_magnitude(i, 0); });

// Formats: `bytes` of a step and decode(), which gives its 64 values as two vectors of bf16. Where kSplit is set they come in the order
// 0-7, 16-23, ... and then 8-15, 24-31, ..., which packed rows of x share; each vector's lower half comes from the lower 32 values.
struct DotBf16 {
  static constexpr bool kFromMemory = true;  // to be fetched ahead
  static constexpr int64_t bytes = 128;
  static constexpr bool kSplit = false;
  void decode(__m512i* w, const uint8_t* p) const { w[0] = load_bytes(p), w[1] = load_bytes(p + 64); }
};

// Decoded before.
struct DotDecoded : DotBf16 {
  static constexpr bool kFromMemory = false;
};

struct DotBytes {
  static constexpr bool kFromMemory = true;
  static constexpr int64_t bytes = 64;
  static constexpr bool kSplit = true;
  __m512i low[2], high[2];

  explicit DotBytes(const MagnitudeBytes& table) {
    for (int i = 0; i < 2; i++) low[i] = load_bytes(table.low + 64 * i), high[i] = load_bytes(table.high + 64 * i);
  }
  void merge(__m512i* w, __m512i magnitude, __m512i signs) const {
    __m512i l = _mm512_permutex2var_epi8(low[0], magnitude, low[1]);
    __m512i h = _mm512_permutex2var_epi8(high[0], magnitude, high[1]);
    h = _mm512_ternarylogic_epi32(h, signs, _mm512_set1_epi8(-128), 0xf8);  // h | (signs & 0x80)
    w[0] = _mm512_unpacklo_epi8(l, h), w[1] = _mm512_unpackhi_epi8(l, h);
  }
};
struct DotF8 : DotBytes {
  DotF8() : DotBytes(kE4m3Bytes) {}
  void decode(__m512i* w, const uint8_t* p) const {
    __m512i stored = load_bytes(p);
    merge(w, stored, stored);
  }
};
struct DotInt8 : DotBytes {
  DotInt8() : DotBytes(kIntegerBytes) {}
  void decode(__m512i* w, const uint8_t* p) const {
    __m512i stored = load_bytes(p);
    merge(w, _mm512_abs_epi8(stored), stored);
  }
};
struct DotInt4 {
  static constexpr bool kFromMemory = true;
  static constexpr int64_t bytes = 32;
  static constexpr bool kSplit = true;
  __m512i low, high;

  DotInt4() {
    alignas(64) uint8_t bits[2][64];
    for (int i = 0; i < 64; i++) {
      int value = i % 16 - 8;
      uint32_t magnitude = bf16_magnitude(uint32_t(value < 0 ? -value : value), 0) | (value < 0 ? 0x8000u : 0u);
      bits[0][i] = uint8_t(magnitude), bits[1][i] = uint8_t(magnitude >> 8);
    }
    low = load_bytes(bits[0]), high = load_bytes(bits[1]);
  }
  void decode(__m512i* w, const uint8_t* p) const {
    // Each 16 bytes twice: the first copy's low halves, the second one's high halves.
    __m512i both = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i*)p));
    both = _mm512_maskz_shuffle_i64x2(__mmask8(0xff), both, both, 0x50);
    both = _mm512_maskz_srlv_epi64(__mmask8(0xff), both, _mm512_setr_epi64(0, 0, 4, 4, 0, 0, 4, 4));
    both = _mm512_and_si512(both, _mm512_set1_epi8(15));
    __m512i l = _mm512_shuffle_epi8(low, both), h = _mm512_shuffle_epi8(high, both);
    w[0] = _mm512_unpacklo_epi8(l, h), w[1] = _mm512_unpackhi_epi8(l, h);
  }
};

// x [k] in the order of a format, filled up with zeros to whole steps.
template <typename Format>
void pack_dot_row(bf16* y, const bf16* x, int64_t k) {
  for (int64_t p = 0; p < k; p += kDotStep) {
    alignas(64) bf16 part[kDotStep] = {};
    if (k - p < kDotStep) memcpy(part, x + p, size_t(k - p) * 2);
    const bf16* from = k - p < kDotStep ? part : x + p;
    __m512i a = load_bytes(from), b = load_bytes(from + 32), first = a, second = b;
    if constexpr (Format::kSplit) {
      first = _mm512_permutex2var_epi64(a, _mm512_setr_epi64(0, 1, 4, 5, 8, 9, 12, 13), b);
      second = _mm512_permutex2var_epi64(a, _mm512_setr_epi64(2, 3, 6, 7, 10, 11, 14, 15), b);
    }
    _mm512_storeu_si512(y + p, first);
    _mm512_storeu_si512(y + p + 32, second);
  }
}

// Weight rows of k values, each row_bytes long with row_scales scales; without scales (bf16) a group is the whole row.
struct DotWeight {
  const uint8_t* values;
  const float* scales;
  int64_t k, group, row_bytes, row_scales;

  DotWeight from(int64_t row) const { return {values + row * row_bytes, scales + row * row_scales, k, group, row_bytes, row_scales}; }
};

// A weight row as bf16 in the order of packed rows of x, filled up with zeros to whole steps.
template <typename Format>
void decode_dot_row(bf16* y, const Format& shared, const uint8_t* from, const DotWeight& all) {
  const Format format = shared;
  __m512i v[2];
  int64_t p = 0;
  auto put = [&](const uint8_t* at) __attribute__((always_inline)) {
    format.decode(v, at);
    _mm512_storeu_si512(y + p, v[0]);
    _mm512_storeu_si512(y + p + 32, v[1]);
  };
  for (; p + kDotStep <= all.k; p += kDotStep, from += Format::bytes) {
    __builtin_prefetch(from + kDotAhead, 0, 2);
    put(from);
  }
  if (p < all.k) {
    alignas(64) uint8_t tail[Format::bytes] = {};
    memcpy(tail, from, size_t(all.row_bytes - p / kDotStep * Format::bytes));
    put(tail);
  }
}

// How scales meet the steps of 64 values: none at all; one for so many steps; one for any number of them; or two for the halves of a step.
enum Scaling { kUnscaled = -1, kAnySteps = 0, kOneStep = 1, kTwoSteps = 2, kHalfStep = 3 };

// The value at p with the upper 8 lanes from the next one, if there is one.
inline vf scale_halves(const float* p, bool has_next) {
  return (vf)_mm512_mask_mov_ps((__m512)splat(p[0]), __mmask16(0xff00), (__m512)splat(has_next ? p[1] : 0.0f));
}

// out[i * kDotWeights + j] = the partial sums of row i of x times weight row j: in ascending k, the same whatever R and N are. A group's
// products are summed and then scaled.
template <int R, int N, int S, typename Format>
inline __attribute__((always_inline)) void dot_tile(vf* out, const Format& format, const uint8_t* at, const float* scales, const DotWeight& all,
                                                    const bf16* x, int64_t ldx) {
  vf acc[R][N], sum[R][N], odd[R][N];
#pragma GCC unroll 8
  for (int i = 0; i < R; i++)
#pragma GCC unroll 8
    for (int j = 0; j < N; j++) acc[i][j] = sum[i][j] = odd[i][j] = zero();
  auto take = [&](const uint8_t* from, int64_t apart) __attribute__((always_inline)) {
    __m512i v[N][2];
#pragma GCC unroll 8
    for (int j = 0; j < N; j++) format.decode(v[j], from + j * apart);
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++)
#pragma GCC unroll 8
      for (int i = 0; i < R; i++) {
        __m512i value = load_bytes(x + i * ldx + 32 * half);
#pragma GCC unroll 8
        for (int j = 0; j < N; j++) {
          vf& chain = S == kUnscaled && half == 1 ? odd[i][j] : sum[i][j];
          chain = dot_pairs(chain, value, v[j][half]);
        }
      }
    x += kDotStep;
  };
  auto scaled = [&](auto scale_of) __attribute__((always_inline)) {
#pragma GCC unroll 8
    for (int j = 0; j < N; j++) {
      vf scale = scale_of(scales + j * all.row_scales);
#pragma GCC unroll 8
      for (int i = 0; i < R; i++) acc[i][j] = fma(sum[i][j], scale, acc[i][j]), sum[i][j] = zero();
    }
    scales += S == kHalfStep ? 2 : 1;
  };
  auto step = [&]() __attribute__((always_inline)) {
    if constexpr (Format::kFromMemory)
#pragma GCC unroll 2
      for (int j = 0; j < N; j++)
#pragma GCC unroll 2
        for (int64_t line = 0; line < Format::bytes; line += 64) __builtin_prefetch(at + j * all.row_bytes + line + kDotAhead, 0, 2);
    take(at, all.row_bytes);
    at += Format::bytes;
  };
  auto one_scale = [](const float* p) __attribute__((always_inline)) { return splat(*p); };
  auto two_scales = [](const float* p) __attribute__((always_inline)) { return scale_halves(p, true); };
  int64_t whole = all.k / kDotStep, done = 0;
  if constexpr (S == kUnscaled) {
    for (; done < whole; done++) step();
  } else if constexpr (S == kHalfStep) {
    for (; done < whole; done++) step(), scaled(two_scales);
  } else {
    int64_t in_group = S == kAnySteps ? all.group / kDotStep : S;
    for (; done + in_group <= whole; done += in_group) {
#pragma GCC unroll 2
      for (int64_t i = 0; i < in_group; i++) step();
      scaled(one_scale);
    }
    for (; done < whole; done++) step();
  }
  if (whole * kDotStep < all.k) {
    alignas(64) uint8_t tail[N][Format::bytes] = {};
    for (int j = 0; j < N; j++) memcpy(tail[j], at + j * all.row_bytes, size_t(all.row_bytes - whole * Format::bytes));
    take(tail[0], Format::bytes);
  }
  if (S != kUnscaled && all.k % (S == kHalfStep ? kDotStep : all.group) != 0) {
    if (S == kHalfStep && all.k % kDotStep <= kDotStep / 2) scaled([](const float* p) { return scale_halves(p, false); });
    else if (S == kHalfStep) scaled(two_scales);
    else scaled(one_scale);
  }
#pragma GCC unroll 8
  for (int i = 0; i < R; i++)
#pragma GCC unroll 8
    for (int j = 0; j < N; j++) out[i * kDotWeights + j] = S == kUnscaled ? sum[i][j] + odd[i][j] : acc[i][j];
}

// The partial sums of R packed rows of x and up to kDotWeights weight rows.
template <int R, int N, int S, typename Format>
void dot_block(vf* out, const Format& shared, const DotWeight& w, int64_t weights, const bf16* x, int64_t ldx) {
  const Format format = shared;  // its tables stay in registers
  int64_t j = 0;
  for (; j + N <= weights; j += N) {
    const float* scales = w.scales + j * w.row_scales;
    if constexpr (S != kUnscaled && Format::kFromMemory)
      for (int i = 0; i < N; i++) __builtin_prefetch(scales + (kScalesAhead + i) * w.row_scales);
    dot_tile<R, N, S>(out + j, format, w.values + j * w.row_bytes, scales, w, x, ldx);
  }
  for (; j < weights; j++) dot_tile<R, 1, S>(out + j, format, w.values + j * w.row_bytes, w.scales + j * w.row_scales, w, x, ldx);
}

template <int R, int N, int S, typename Format>
void dot_rows(int64_t rows, vf* out, const Format& format, const DotWeight& w, int64_t weights, const bf16* x, int64_t ldx) {
  if constexpr (R > 1)
    if (rows < R) return dot_rows<R - 1, N, S>(rows, out, format, w, weights, x, ldx);
  dot_block<R, N, S>(out, format, w, weights, x, ldx);
}

// y [rows, weights] (row stride ldy) = x [rows, k] * w^T for up to kDotWeights weight rows, N at a time, and at most R rows of x.
template <int R, int N, int S, typename Format, typename Y>
void dot_weights(Y* y, int64_t ldy, const Format& format, const DotWeight& w, int64_t weights, const bf16* x, int64_t ldx, int64_t rows) {
  int64_t blocks = (rows + R - 1) / R, in_block = (rows + blocks - 1) / blocks;
  vf sums[R * kDotWeights];
  if (weights < kDotWeights)
    for (vf& sum : sums) sum = zero();
  for (int64_t i = 0; i < rows; i += in_block) {
    int64_t here = least_of(in_block, rows - i);
    dot_rows<R, N, S>(here, sums, format, w, weights, x + i * ldx, ldx);
    for (int64_t r = 0; r < here; r++) {
      vf row;
      sum_each<kDotWeights>(reinterpret_cast<float*>(&row), sums + r * kDotWeights);
      if (weights == kDotWeights) store(y + (i + r) * ldy, row);
      else store_part(y + (i + r) * ldy, row, weights);
    }
  }
}

// The same for any number of weight rows and of rows of x. Weights that many rows meet are decoded once for all, as many at a time as the
// first-level cache takes.
template <int S, typename Format, typename Y>
void dot_stream(Y* y, int64_t ldy, const Format& format, const DotWeight& w, int64_t weights, const bf16* x, int64_t ldx, int64_t rows) {
  constexpr bool is_plain = std::is_same_v<Format, DotBf16>;
  bool is_tiled = rows >= (is_plain ? kTiledPlain : kTiledDecoded);
  int64_t fitting = kDotDecoded / (ldx > 0 ? ldx : 1) / kTileW * kTileW;
  int64_t together = is_plain || !is_tiled || fitting > kDotWeights ? kDotWeights : fitting < kTileW ? kTileW : fitting;
  for (int64_t j = 0; j < weights; j += together) {
    int64_t count = least_of(together, weights - j);
    DotWeight part = w.from(j);
    if (!is_tiled) {
      dot_weights<kDotRows, 1, S>(y + j, ldy, format, part, count, x, ldx, rows);
    } else if constexpr (is_plain) {
      dot_weights<kTileX, kTileW, S>(y + j, ldy, format, part, count, x, ldx, rows);
    } else {
      bf16* decoded = scratch_of<bf16>(kDecodedRows, count * ldx);
      for (int64_t i = 0; i < count; i++) decode_dot_row(decoded + i * ldx, format, part.values + i * part.row_bytes, part);
      DotWeight plain{reinterpret_cast<const uint8_t*>(decoded), part.scales, w.k, w.group, 2 * ldx, w.row_scales};
      dot_weights<kTileX, kTileW, S>(y + j, ldy, DotDecoded(), plain, count, x, ldx, rows);
    }
  }
}

// The whole product of grouped rows (decode_groups.h) for one format.
template <int S, typename Format, typename Y>
void dot_groups(Y* y, const bf16* x, const Format& format, const DotWeight& w, const int32_t* offsets, int64_t groups, int64_t n) {
  int64_t rows = groups > 0 ? offsets[groups] : 0, ldx = (w.k + kDotStep - 1) / kDotStep * kDotStep;
  bf16* packed = scratch_of<bf16>(kPackedX, rows * ldx);
  parallel_ranges(rows, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) pack_dot_row<Format>(packed + i * ldx, x + i * w.k, w.k);
  });
  for_pieces(offsets, groups, n, w.row_bytes, [&](int64_t row, int64_t count, int64_t first, int64_t weights, int64_t column) {
    dot_stream<S>(y + row * n + column, n, format, w.from(first), weights, packed + row * ldx, ldx, count);
  });
}

// Calls body(format, scaling) with the types for weights of a QuantFormat with scales, or bf16 ones without; false if there are none.
template <typename Body>
bool with_dot_format(const float* scales, int64_t group, int32_t w_type, Body&& body) {
  auto with_scaling = [&](auto scaling) {
    if (w_type == Q_INT8) body(DotInt8(), scaling);
    else if (w_type == Q_INT4) body(DotInt4(), scaling);
    else body(DotF8(), scaling);
  };
  if (!scales && w_type != BF16) return false;
  if (!scales) body(DotBf16(), std::integral_constant<int, kUnscaled>{});
  else if (group == kDotStep / 2) with_scaling(std::integral_constant<int, kHalfStep>{});
  else if (group == kDotStep) with_scaling(std::integral_constant<int, kOneStep>{});
  else if (group == 2 * kDotStep) with_scaling(std::integral_constant<int, kTwoSteps>{});
  else if (group % kDotStep == 0) with_scaling(std::integral_constant<int, kAnySteps>{});
  else return false;
  return true;
}

}  // namespace FATHOM_ISA
}  // namespace fathom
#endif
