// One row of the root mean square norm (kernels.h), shared by the kernels that end or begin with it.
#pragma once
#include "lanes.h"

namespace fathom {
namespace FATHOM_ISA {

template <typename T>
void rms_norm_row(T* y, float* rstd, const T* x, const float* weight, int64_t dim, float eps) {
  float squares = sum_lanes(dim, [&](int64_t i, auto lane) {
    vf v = lane.load(x + i);
    return v * v;
  });
  float r = 1.0f / std::sqrt(squares / float(dim) + eps);
  for_lanes(dim, [&](int64_t i, auto lane) { lane.store(y + i, lane.load(x + i) * r * lane.load(weight + i)); });
  if (rstd) *rstd = r;
}

}  // namespace FATHOM_ISA
}  // namespace fathom
