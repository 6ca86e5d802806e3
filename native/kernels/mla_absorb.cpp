// The two products with kv_b_proj between which decoding attends in the latent space of MLA (DeepSeek-V2 report, section 2.1.2): W_UK is
// folded into the queries, W_UV into the results. See kernels.h. Weights are decoded where they are used; arithmetic is f32, but for W_UV
// with bf16 results on CPUs with bf16 dot products (decode_dots.h). Every output is one chain in ascending order of the inner size,
// whatever the number of rows.
#include "decode_dots.h"
#include "gemm_pack.h"
#include "quantized.h"
#include "rotary.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

enum { kAngles = 10, kFloats = 11 };  // scratch slots

constexpr int kVectors = W == 16 ? 4 : 32 / W;       // vectors of a weight row decoded at a time: whole steps of the quantised formats
constexpr int64_t kColumns = kVectors * W;
constexpr int64_t kPieceColumns = 256;               // of the absorbed queries in a chunk
constexpr int64_t kRowsAhead = 16;                   // weight rows that are fetched ahead of a single row's sums
constexpr int kWeights = 4;                          // weight rows whose dot products are summed together

// Values [at, at + kColumns) of any row, and which scales they have.
struct Place {
  int64_t at, scale[kColumns / kQuantStep];
};

// A weight row as floats: those of a place, of which the ones from `length` on are zero.
template <typename T>
struct PlainRows {
  const T* values;
  int64_t length;

  Place place(int64_t at) const { return {at, {}}; }
  void fetch(int64_t row, int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; i += 64 / int64_t(sizeof(T))) __builtin_prefetch(values + row * length + i);
  }
  void fetch_next(int64_t row, int64_t at) const {
    for (int64_t i = at; i < at + kColumns; i += 64 / int64_t(sizeof(T))) __builtin_prefetch(values + row * length + i, 0, 2);
  }
  void decode(vf* w, int64_t row, const Place& place) const {
    int64_t at = place.at;
    const T* from = values + row * length + at;
    for (int v = 0; v < kVectors; v++, from += W, at += W) w[v] = at + W <= length ? load(from) : load_part(from, at < length ? length - at : 0);
  }
  // Of a place that lies within the row.
  void decode_whole(vf* w, int64_t row, const Place& place) const {
    const T* from = values + row * length + place.at;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; v++) w[v] = load(from + v * W);
  }
};

template <typename Format>
struct QuantRows {
  const uint8_t* values;
  const float* scales;
  int64_t length, group, row_bytes, row_scales;

  Place place(int64_t at) const {
    Place found{at, {}};
    for (int64_t q = 0; q < kColumns / kQuantStep; q++) found.scale[q] = (at + q * kQuantStep) / group;
    return found;
  }
  void fetch(int64_t row, int64_t begin, int64_t end) const {
    for (int64_t i = begin / kQuantStep * Format::bytes; i < end / kQuantStep * Format::bytes; i += 64) __builtin_prefetch(values + row * row_bytes + i);
  }
  void fetch_next(int64_t row, int64_t at) const { __builtin_prefetch(values + row * row_bytes + at / kQuantStep * Format::bytes, 0, 2); }
  void decode(vf* w, int64_t row, const Place& place) const {
    if (place.at + kColumns <= length) return decode_whole(w, row, place);
    float part[kColumns] = {};
    decode_run<Format>(part, values + row * row_bytes, scales + row * row_scales, place.at, length - place.at, length, group);
    for (int v = 0; v < kVectors; v++) w[v] = load(part + v * W);
  }
  void decode_whole(vf* w, int64_t row, const Place& place) const {
    const uint8_t* from = values + row * row_bytes + place.at / kQuantStep * Format::bytes;
    const float* scale = scales + row * row_scales;
#pragma GCC unroll 2
    for (int64_t q = 0; q < kColumns / kQuantStep; q++) {
      vf* to = w + q * kQuantVectors;
      Format::decode(to, from + q * Format::bytes);
      vf factor = splat(scale[place.scale[q]] * Format::kUnit);
#pragma GCC unroll 4
      for (int v = 0; v < kQuantVectors; v++) to[v] *= factor;
    }
  }
};

template <typename Body>
void with_rows(const void* w, const float* scales, int64_t length, int64_t group, int32_t w_type, Body&& body) {
  if (scales) {
    with_format(w_type, [&](auto format) {
      using Format = decltype(format);
      body(QuantRows<Format>{(const uint8_t*)w, scales, length, group, quantized_bytes(length, w_type), (length + group - 1) / group});
    });
  } else if (w_type == BF16) body(PlainRows<bf16>{(const bf16*)w, length});
  else body(PlainRows<float>{(const float*)w, length});
}

inline int64_t rounded(int64_t n) { return (n + kColumns - 1) / kColumns * kColumns; }

template <typename T>
void store_columns(T* y, const vf* x, int64_t count) {
  for (int v = 0; v < kVectors && v * W < count; v++) {
    if (count - v * W >= W) store(y + v * W, x[v]);
    else store_part(y + v * W, x[v], count - v * W);
  }
}

// y[i, at + ...] for R rows, y_row apart: the sum over n of x[i, n] times weight row first + n.
template <int R, typename T, typename Rows>
void fold(T* y, int64_t y_row, const float* x, int64_t inner, const Rows& w, int64_t first, int64_t at) {
  vf acc[R][kVectors];
  for (auto& row : acc)
    for (vf& one : row) one = zero();
  Place place = w.place(at);
  for (int64_t n = 0; n < inner; n++) {
    vf weight[kVectors];
    w.decode(weight, first + n, place);
#pragma GCC unroll 4
    for (int i = 0; i < R; i++) {
      vf factor = splat(x[i * inner + n]);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; v++) acc[i][v] = fma(factor, weight[v], acc[i][v]);
    }
  }
  for (int i = 0; i < R; i++) store_columns(y + i * y_row + at, acc[i], w.length - at);
}

// The same sums for one row and V vectors of columns at once, so that the weights are read in order; those of row `next` follow. For
// instruction sets whose registers hold so many sums.
template <int V, typename T, typename Rows>
void fold_wide(T* y, const float* x, int64_t inner, const Rows& w, int64_t first, int64_t at, int64_t next) {
  constexpr int steps = V / kVectors;
  vf acc[V];
#pragma GCC unroll 16
  for (vf& one : acc) one = zero();
  Place places[steps];
  for (int s = 0; s < steps; s++) places[s] = w.place(at + s * kColumns);
  for (int64_t n = 0; n < inner; n++) {
    vf factor = splat(x[n]);
    int64_t ahead = n + kRowsAhead < inner ? first + n + kRowsAhead : next + n + kRowsAhead - inner;
#pragma GCC unroll 4
    for (int s = 0; s < steps; s++) {
      vf weight[kVectors];
      w.fetch_next(ahead, at + s * kColumns);
      w.decode_whole(weight, first + n, places[s]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; v++) acc[s * kVectors + v] = fma(factor, weight[v], acc[s * kVectors + v]);
    }
  }
  for (int s = 0; s < steps; s++) store_columns(y + at + s * kColumns, acc + s * kVectors, w.length - at - s * kColumns);
}

// y[i, j] for R rows of x (ldx apart, filled up with zeros) and weight rows first .. first + kWeights.
template <int R, typename T, typename Rows>
void dots(T* y, int64_t y_row, const float* x, int64_t ldx, const Rows& w, int64_t first, int64_t count) {
  vf acc[R * kWeights];
  for (vf& one : acc) one = zero();
  for (int64_t at = 0; at < w.length; at += kColumns) {
    Place place = w.place(at);
#pragma GCC unroll 4
    for (int j = 0; j < kWeights; j++) {
      vf weight[kVectors];
      w.decode(weight, first + (j < count ? j : 0), place);
#pragma GCC unroll 4
      for (int i = 0; i < R; i++)
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; v++) acc[i * kWeights + j] = fma(load(x + i * ldx + at + v * W), weight[v], acc[i * kWeights + j]);
    }
  }
  for (int i = 0; i < R; i++) {
    float sums[kWeights];
    sum_each<kWeights>(sums, acc + i * kWeights);
    for (int64_t j = 0; j < count; j++) y[i * y_row + j] = from_f32<T>(sums[j]);
  }
}

// Calls body(first row, a constant number of rows) for all rows, up to four at a time.
template <typename Body>
void in_blocks(int64_t rows, Body&& body) {
  int64_t i = 0;
  for (; i + 4 <= rows; i += 4) body(i, std::integral_constant<int, 4>{});
  for (; i + 2 <= rows; i += 2) body(i, std::integral_constant<int, 2>{});
  if (i < rows) body(i, std::integral_constant<int, 1>{});
}

struct Sizes {
  int64_t rows, heads, dn, dr, c, dv;
};

template <typename T, typename Rows>
void absorb(T* y, const T* q, const Rows& w, const float* cos, const float* sin, const int32_t* positions, const Sizes& s) {
  int64_t pieces = (s.c + kPieceColumns - 1) / kPieceColumns, width = s.dn + s.dr, wide = s.c + s.dr;
  parallel_for(s.heads * pieces, [&](int64_t chunk) {
    int64_t h = chunk / pieces, begin = chunk % pieces * kPieceColumns, end = begin + kPieceColumns < s.c ? begin + kPieceColumns : s.c;
    float* x = scratch_of<float>(kFloats, s.rows * s.dn);
    for (int64_t r = 0; r < s.rows; r++)
      for (int64_t n = 0; n < s.dn; n++) x[r * s.dn + n] = to_f32(q[(r * s.heads + h) * width + n]);
    int64_t first = h * (s.dn + s.dv);
    if (W == 16 && s.rows == 1 && end - begin == kPieceColumns) {
      fold_wide<kPieceColumns / W>(y + h * wide, x, s.dn, w, first, begin, first + s.dn + s.dv);
    } else {
      // A piece of every row of the head's weight is read several times: from the caches, where it is fetched to here.
      for (int64_t n = 0; n < s.dn; n++) w.fetch(first + n, begin, end);
      in_blocks(s.rows, [&](int64_t r, auto count) {
        for (int64_t at = begin; at < end; at += kColumns)
          fold<decltype(count)::value>(y + (r * s.heads + h) * wide, s.heads * wide, x + r * s.dn, s.dn, w, first, at);
      });
    }
    if (begin > 0) return;
    float* angles = scratch_of<float>(kAngles, 2 * s.dr);
    for (int64_t r = 0; r < s.rows; r++) {
      int64_t at = positions[r] * (s.dr / 2);
      lay_out_angles(angles, angles + s.dr, cos + at, sin + at, s.dr / 2, 1.0f);
      rotate_head(y + (r * s.heads + h) * wide + s.c, q + (r * s.heads + h) * width + s.dn, angles, angles + s.dr, s.dr);
    }
  });
}

template <typename T, typename Rows>
void expand(T* y, const T* latent, const Rows& w, const Sizes& s) {
  parallel_for(s.heads, [&](int64_t h) {
    int64_t ldx = rounded(s.c);
    float* x = scratch_of<float>(kFloats, s.rows * ldx);
    for (int64_t r = 0; r < s.rows; r++) {
      const T* from = latent + (r * s.heads + h) * s.c;
      for_lanes(s.c, [&](int64_t i, auto lane) { lane.store(x + r * ldx + i, lane.load(from + i)); });
      for (int64_t i = s.c; i < ldx; i++) x[r * ldx + i] = 0;
    }
    for (int64_t j = 0; j < s.dv; j += kWeights)
      in_blocks(s.rows, [&](int64_t r, auto count) {
        dots<decltype(count)::value>(y + (r * s.heads + h) * s.dv + j, s.heads * s.dv, x + r * ldx, ldx, w, h * (s.dn + s.dv) + s.dn + j,
                                     s.dv - j < kWeights ? s.dv - j : kWeights);
      });
  });
}

#if defined(FATHOM_BF16_DOTS)
// The same by bf16 dot products.
template <int S, typename Format>
void expand_dots(bf16* y, const bf16* latent, const Format& format, const DotWeight& w, const Sizes& s) {
  parallel_for(s.heads, [&](int64_t h) {
    int64_t ldx = (s.c + kDotStep - 1) / kDotStep * kDotStep;
    bf16* x = scratch_of<bf16>(kFloats, s.rows * ldx);
    for (int64_t r = 0; r < s.rows; r++) pack_dot_row<Format>(x + r * ldx, latent + (r * s.heads + h) * s.c, s.c);
    dot_stream<S>(y + h * s.dv, s.heads * s.dv, format, w.from(h * (s.dn + s.dv) + s.dn), s.dv, x, ldx, s.rows);
  });
}
#endif

}  // namespace

void absorb_queries(void* y, const void* q, const void* w, const float* scales, const float* cos, const float* sin, const int32_t* positions,
                    int64_t rows, int64_t heads, int64_t dn, int64_t dr, int64_t c, int64_t dv, int64_t group, int32_t type, int32_t w_type) {
  Sizes sizes{rows, heads, dn, dr, c, dv};
  with_rows(w, scales, c, group, w_type, [&](const auto& weights) {
    if (type == BF16) absorb((bf16*)y, (const bf16*)q, weights, cos, sin, positions, sizes);
    else absorb((float*)y, (const float*)q, weights, cos, sin, positions, sizes);
  });
}

void expand_values(void* y, const void* latent, const void* w, const float* scales, int64_t rows, int64_t heads, int64_t dn, int64_t c,
                   int64_t dv, int64_t group, int32_t type, int32_t w_type) {
  Sizes sizes{rows, heads, dn, 0, c, dv};
#if defined(FATHOM_BF16_DOTS)
  int64_t row_bytes = scales ? quantized_bytes(c, w_type) : 2 * c, row_scales = scales ? (c + group - 1) / group : 0;
  DotWeight all{(const uint8_t*)w, scales, c, group, row_bytes, row_scales};
  auto multiply = [&](auto format, auto scaling) {
    expand_dots<decltype(scaling)::value>((bf16*)y, (const bf16*)latent, format, all, sizes);
  };
  if (type == BF16 && with_dot_format(scales, group, w_type, multiply)) return;
#endif
  with_rows(w, scales, c, group, w_type, [&](const auto& weights) {
    if (type == BF16) expand((bf16*)y, (const bf16*)latent, weights, sizes);
    else expand((float*)y, (const float*)latent, weights, sizes);
  });
}

}  // namespace FATHOM_ISA
}  // namespace fathom
