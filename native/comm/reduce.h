// Sums and maxima over ranks, in rank order, in the arrays' own type: what one process would get by adding the parts one after the other.
#pragma once
#include <cstdint>
#include <cstring>

#include "engine.h"

namespace fathom {

template <typename T, typename Combine>
void reduce_typed(char* out, const char* rows, size_t stride, int count, size_t bytes, Combine combine) {
  if (bytes == 0) return;
  T* y = reinterpret_cast<T*>(out);
  memcpy(out, rows, bytes);
  for (int r = 1; r < count; r++) {
    const T* x = reinterpret_cast<const T*>(rows + size_t(r) * stride);
    for (size_t i = 0; i < bytes / sizeof(T); i++) y[i] = combine(y[i], x[i]);
  }
}

template <typename T>
void reduce_as(char* out, const char* rows, size_t stride, int count, size_t bytes, Reduction reduction) {
  // A NaN anywhere wins a maximum, so that no rank overlooks it.
  if (reduction == Reduction::max)
    return reduce_typed<T>(out, rows, stride, count, bytes, [](T a, T b) { return b > a || b != b ? b : a; });
  reduce_typed<T>(out, rows, stride, count, bytes, [](T a, T b) { return T(a + b); });
}

// out[i] = rows[0][i] combined with rows[1][i], rows[2][i], ...; row r starts r x stride bytes behind `rows`. Integers wrap around.
inline void reduce_rows(char* out, const char* rows, size_t stride, int count, size_t bytes, Element element, Reduction reduction) {
  if (element == Element::f64) return reduce_as<double>(out, rows, stride, count, bytes, reduction);
  if (element == Element::f32) return reduce_as<float>(out, rows, stride, count, bytes, reduction);
  if (reduction == Reduction::sum) return reduce_as<uint32_t>(out, rows, stride, count, bytes, reduction);
  reduce_as<int32_t>(out, rows, stride, count, bytes, reduction);
}

}  // namespace fathom
