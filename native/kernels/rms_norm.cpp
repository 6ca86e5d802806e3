// Root mean square norm, Zhang & Sennrich 2019. The product with the weight is taken in f32 before the one rounding to the storage type.
// See kernels.h. The backward makes one pass: a block of rows writes its dx and sums its part of dweight, and the parts are then added
// in the order of the blocks. The number of rows in a block follows from the number of rows alone.
#include <cmath>

#include "../parallel.h"
#include "kernels.h"
#include "lanes.h"
#include "rms_norm_row.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int64_t kChunkElements = 1 << 14;
constexpr int64_t kBlockRows = 32;   // fewest rows of a dweight part
constexpr int64_t kMostBlocks = 128;  // bounds the memory of the parts: 128 * dim f32
constexpr int64_t kColumns = 256;     // columns of dweight added up by one chunk

template <typename T>
void forward(T* y, float* rstd, const T* x, const float* weight, int64_t rows, int64_t dim, int64_t x_stride, float eps) {
  parallel_ranges(rows, rows_per_chunk(dim, kChunkElements), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) rms_norm_row(y + r * dim, rstd ? rstd + r : nullptr, x + r * x_stride, weight, dim, eps);
  });
}

template <typename T>
void add_and_norm(T* y, float* rstd, T* sum, const T* a, const T* b, const float* weight, int64_t rows, int64_t dim, float eps) {
  parallel_ranges(rows, rows_per_chunk(dim, kChunkElements), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) {
      const T *left = a + r * dim, *right = b + r * dim;
      T* to = sum + r * dim;
      for_lanes(dim, [&](int64_t i, auto lane) { lane.store(to + i, lane.load(left + i) + lane.load(right + i)); });
      rms_norm_row(y + r * dim, rstd ? rstd + r : nullptr, to, weight, dim, eps);
    }
  });
}

template <typename T>
void backward_row(T* dx, float* part, const T* dy, const T* x, const float* weight, float rstd, int64_t dim, bool accumulate) {
  float dot = sum_lanes(dim, [&](int64_t i, auto lane) { return lane.load(dy + i) * lane.load(weight + i) * lane.load(x + i); });
  float mean = dot * rstd / float(dim);  // mean(g * xhat)
  if (accumulate) {
    for_lanes(dim, [&](int64_t i, auto lane) {
      vf dyi = lane.load(dy + i), xhat = lane.load(x + i) * rstd;
      vf d = (dyi * lane.load(weight + i) - xhat * mean) * rstd;
      lane.store(dx + i, lane.load(dx + i) + d);
      lane.store(part + i, lane.load(part + i) + dyi * xhat);
    });
  } else {
    for_lanes(dim, [&](int64_t i, auto lane) {
      vf dyi = lane.load(dy + i), xhat = lane.load(x + i) * rstd;
      lane.store(dx + i, (dyi * lane.load(weight + i) - xhat * mean) * rstd);
      lane.store(part + i, lane.load(part + i) + dyi * xhat);
    });
  }
}

template <typename T>
void backward(T* dx, float* dweight, const T* dy, const T* x, const float* weight, const float* rstd, int64_t rows, int64_t dim,
              int64_t x_stride, bool accumulate) {
  int64_t block_rows = (rows + kMostBlocks - 1) / kMostBlocks;
  if (block_rows < kBlockRows) block_rows = kBlockRows;
  int64_t blocks = (rows + block_rows - 1) / block_rows;
  float* parts = scratch_of<float>(10, blocks * dim);
  parallel_ranges(rows, block_rows, [&](int64_t begin, int64_t end) {
    float* part = parts + begin / block_rows * dim;
    for (int64_t i = 0; i < dim; i++) part[i] = 0;
    for (int64_t r = begin; r < end; r++)
      backward_row(dx + r * x_stride, part, dy + r * dim, x + r * x_stride, weight, rstd[r], dim, accumulate);
  });
  parallel_ranges(dim, kColumns, [&](int64_t begin, int64_t end) {
    for (int64_t b = 0; b < blocks; b++) {
      float* out = dweight + begin;
      const float* part = parts + b * dim + begin;
      for_lanes(end - begin, [&](int64_t i, auto lane) { lane.store(out + i, lane.load(out + i) + lane.load(part + i)); });
    }
  });
}

}  // namespace

void rms_norm_forward(void* y, float* rstd, const void* x, const float* weight, int64_t rows, int64_t dim, int64_t x_stride,
                      float eps, int32_t type) {
  if (type == BF16) forward((bf16*)y, rstd, (const bf16*)x, weight, rows, dim, x_stride, eps);
  else forward((float*)y, rstd, (const float*)x, weight, rows, dim, x_stride, eps);
}

void add_rms_norm_forward(void* y, float* rstd, void* sum, const void* a, const void* b, const float* weight, int64_t rows, int64_t dim,
                          float eps, int32_t type) {
  if (type == BF16) add_and_norm((bf16*)y, rstd, (bf16*)sum, (const bf16*)a, (const bf16*)b, weight, rows, dim, eps);
  else add_and_norm((float*)y, rstd, (float*)sum, (const float*)a, (const float*)b, weight, rows, dim, eps);
}

void rms_norm_backward(void* dx, float* dweight, const void* dy, const void* x, const float* weight, const float* rstd,
                       int64_t rows, int64_t dim, int64_t x_stride, int32_t accumulate, int32_t type) {
  if (type == BF16)
    backward((bf16*)dx, dweight, (const bf16*)dy, (const bf16*)x, weight, rstd, rows, dim, x_stride, accumulate != 0);
  else backward((float*)dx, dweight, (const float*)dy, (const float*)x, weight, rstd, rows, dim, x_stride, accumulate != 0);
}

}  // namespace FATHOM_ISA
}  // namespace fathom
