// The rotation of a position, shared by the kernels that apply it: with c = cos repeated for both channels of a pair and s = (-sin, sin),
// y = x * c + swap(x) * s, swap exchanging the two channels of a pair.
#pragma once
#include "lanes.h"

namespace fathom {
namespace FATHOM_ISA {

typedef uint64_t vpair __attribute__((vector_size(W * 4), may_alias));

// (x1, x0, x3, x2, ...): a rotation of every 64-bit pair by half.
inline vf swap_pairs(vf x) {
  vpair u = reinterpret_cast<vpair&>(x);
  u = (u << 32) | (u >> 32);
  return reinterpret_cast<vf&>(u);
}

// c and s [2 * half] from a row of the tables; sign -1 undoes the rotation.
inline void lay_out_angles(float* c, float* s, const float* cos_row, const float* sin_row, int64_t half, float sign) {
  for (int64_t i = 0; i < half; i++) {
    c[2 * i] = c[2 * i + 1] = cos_row[i];
    s[2 * i] = -sign * sin_row[i];
    s[2 * i + 1] = sign * sin_row[i];
  }
}

// y [dim] = x [dim] rotated; y may be x.
template <typename T>
void rotate_head(T* y, const T* x, const float* c, const float* s, int64_t dim) {
  for_lanes(dim, [&](int64_t i, auto lane) {
    vf v = lane.load(x + i);
    lane.store(y + i, fma(swap_pairs(v), lane.load(s + i), v * lane.load(c + i)));
  });
}

}  // namespace FATHOM_ISA
}  // namespace fathom
