// Loops over rows whose length is no multiple of the vector width: the body is written once, for whole vectors and for the part that
// is left. A body takes (index, lane) and loads and stores through the lane. Elementwise results do not depend on the place of an
// element in its vector.
#pragma once
#include "simd.h"

namespace fathom {
namespace FATHOM_ISA {

struct WholeLane {
  template <typename T>
  vf load(const T* p) const {
    return FATHOM_ISA::load(p);
  }
  template <typename T>
  void store(T* p, vf x) const {
    FATHOM_ISA::store(p, x);
  }
};

// The first n < W elements; the others load as zero.
struct PartLane {
  int64_t n;
  template <typename T>
  vf load(const T* p) const {
    return load_part(p, n);
  }
  template <typename T>
  void store(T* p, vf x) const {
    store_part(p, x, n);
  }
};

template <typename Body>
inline __attribute__((always_inline)) void for_lanes(int64_t n, Body&& body) {
  int64_t i = 0;
  for (; i + W <= n; i += W) body(i, WholeLane{});
  if (i < n) body(i, PartLane{n - i});
}

// Sum over i of term(i, lane), which must be zero where every load is zero. Four running vectors, merged in a fixed order.
template <typename Term>
inline __attribute__((always_inline)) float sum_lanes(int64_t n, Term&& term) {
  vf a = zero(), b = zero(), c = zero(), d = zero();
  int64_t i = 0;
  for (; i + 4 * W <= n; i += 4 * W) {
    a += term(i, WholeLane{});
    b += term(i + W, WholeLane{});
    c += term(i + 2 * W, WholeLane{});
    d += term(i + 3 * W, WholeLane{});
  }
  for (; i + W <= n; i += W) a += term(i, WholeLane{});
  if (i < n) b += term(i, PartLane{n - i});
  return sum((a + b) + (c + d));
}

// The largest of n > 0 values; NaNs are passed over, and -inf is what is left of none but those.
template <typename T>
inline float largest_of(const T* x, int64_t n) {
  vf a = splat(-INFINITY), b = a;
  int64_t i = 0;
  for (; i + 2 * W <= n; i += 2 * W) {
    a = vmax(load(x + i), a);  // the second where the first is NaN
    b = vmax(load(x + i + W), b);
  }
  float largest = max_of(vmax(a, b));
  for (; i < n; i++) largest = to_f32(x[i]) > largest ? to_f32(x[i]) : largest;
  return largest;
}

// Rows a chunk should hold so that it has about `elements` elements: enough to pay for handing it out.
inline int64_t rows_per_chunk(int64_t row_elements, int64_t elements) {
  return row_elements >= elements ? 1 : elements / (row_elements > 0 ? row_elements : 1);
}

}  // namespace FATHOM_ISA
}  // namespace fathom
