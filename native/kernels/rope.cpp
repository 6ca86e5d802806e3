// Rotary position embedding in the interleaved pair layout of DeepSeek's checkpoints (pair i is channels 2i and 2i + 1); Su et al. 2021.
// See kernels.h and rotary.h. The angles are laid out once per row and used for all heads.
#include "../parallel.h"
#include "kernels.h"
#include "rotary.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int64_t kChunkElements = 1 << 14;

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
      lay_out_angles(c, s, cos_row, sin_row, half, sign);
      for (int64_t h = 0; h < heads; h++) {
        T* head = x + r * row_stride + h * head_stride + offset;
        rotate_head(head, head, c, s, dim);
      }
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
