// Row lookup and its backward. See kernels.h. The backward is split over blocks of columns, each of which walks all rows in order: the
// same id may come many times, and its gradients add up in the order of the rows whoever does the work.
#include "../parallel.h"
#include "kernels.h"
#include "lanes.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int64_t kChunkElements = 1 << 14;
constexpr int64_t kColumns = 64;  // of a chunk of the backward: four cache lines of f32

template <typename T, typename U>
void look_up(T* y, const U* table, const int32_t* ids, int64_t rows, int64_t dim, int64_t vocab) {
  parallel_ranges(rows, rows_per_chunk(dim, kChunkElements), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) {
      T* out = y + r * dim;
      if (ids[r] < 0 || ids[r] >= vocab) {
        for_lanes(dim, [&](int64_t i, auto lane) { lane.store(out + i, zero()); });
        continue;
      }
      const U* row = table + ids[r] * dim;
      for_lanes(dim, [&](int64_t i, auto lane) { lane.store(out + i, lane.load(row + i)); });
    }
  });
}

template <typename T>
void add_rows(float* dtable, const T* dy, const int32_t* ids, int64_t rows, int64_t dim, int64_t vocab) {
  parallel_ranges(dim, kColumns, [&](int64_t begin, int64_t end) {
    for (int64_t r = 0; r < rows; r++) {
      if (ids[r] < 0 || ids[r] >= vocab) continue;
      float* out = dtable + ids[r] * dim + begin;
      const T* in = dy + r * dim + begin;
      for_lanes(end - begin, [&](int64_t i, auto lane) { lane.store(out + i, lane.load(out + i) + lane.load(in + i)); });
    }
  });
}

}  // namespace

void embedding_forward(void* y, const void* table, const int32_t* ids, int64_t rows, int64_t dim, int64_t vocab, int32_t type,
                       int32_t table_type) {
  if (type == BF16 && table_type == BF16) look_up((bf16*)y, (const bf16*)table, ids, rows, dim, vocab);
  else if (type == BF16) look_up((bf16*)y, (const float*)table, ids, rows, dim, vocab);
  else if (table_type == BF16) look_up((float*)y, (const bf16*)table, ids, rows, dim, vocab);
  else look_up((float*)y, (const float*)table, ids, rows, dim, vocab);
}

void embedding_backward(float* dtable, const void* dy, const int32_t* ids, int64_t rows, int64_t dim, int64_t vocab,
                        int32_t type) {
  if (type == BF16) add_rows(dtable, (const bf16*)dy, ids, rows, dim, vocab);
  else add_rows(dtable, (const float*)dy, ids, rows, dim, vocab);
}

}  // namespace FATHOM_ISA
}  // namespace fathom
