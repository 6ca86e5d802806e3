// Rotary position embedding in the interleaved pair layout of DeepSeek's checkpoints (pair i is channels 2i and 2i + 1); Su et al. 2021.
// See kernels.h. With c = cos repeated for both channels of a pair and s = (-sin, sin): y = x * c + swap(x) * s, swap exchanging the two
// channels. c and s are laid out once per row and used for all heads.
#include "../parallel.h"
#include "kernels.h"
#include "lanes.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int64_t kChunkElements = 1 << 14;

typedef uint64_t vpair __attribute__((vector_size(W * 4), may_alias));

// (x1, x0, x3, x2, ...): a rotation of every 64-bit pair by half.
inline vf swap_pairs(vf x) {
  vpair u = reinterpret_cast<vpair&>(x);
  u = (u << 32) | (u >> 32);
  return reinterpret_cast<vf&>(u);
}

template <typename T>
void rotate_head(T* x, const float* c, const float* s, int64_t dim) {
  for_lanes(dim, [&](int64_t i, auto lane) {
    vf v = lane.load(x + i);
    lane.store(x + i, fma(swap_pairs(v), lane.load(s + i), v * lane.load(c + i)));
  });
}

template <typename T>
void rotate(T* x, const float* cos, const float* sin, const int32_t* positions, int64_t rows, int64_t heads, int64_t row_stride,
            int64_t head_stride, int64_t offset, int64_t dim, float sign) {
  int64_t half = dim / 2;
  parallel_ranges(rows, rows_per_chunk(heads * dim, kChunkElements), [&](int64_t begin, int64_t end) {
    float* c = scratch_of<float>(10, 2 * dim);
    float* s = c + dim;
    for (int64_t r = begin; r < end; r++) {
      const float* cos_row = cos + positions[r] * half;
      const float* sin_row = sin + positions[r] * half;
      for (int64_t i = 0; i < half; i++) {
        c[2 * i] = c[2 * i + 1] = cos_row[i];
        s[2 * i] = -sign * sin_row[i];
        s[2 * i + 1] = sign * sin_row[i];
      }
      for (int64_t h = 0; h < heads; h++) rotate_head(x + r * row_stride + h * head_stride + offset, c, s, dim);
    }
  });
}

}  // namespace

void rope(void* x, const float* cos, const float* sin, const int32_t* positions, int64_t rows, int64_t heads, int64_t row_stride,
          int64_t head_stride, int64_t offset, int64_t rope_dim, float sign, int32_t type) {
  if (type == BF16) rotate((bf16*)x, cos, sin, positions, rows, heads, row_stride, head_stride, offset, rope_dim, sign);
  else rotate((float*)x, cos, sin, positions, rows, heads, row_stride, head_stride, offset, rope_dim, sign);
}

}  // namespace FATHOM_ISA
}  // namespace fathom
