// From rows in token order to rows in expert order and back. See kernels.h. Each output row is written by one chunk, and sums over the
// slots of a row run in slot order in f32.
#include <cstring>

#include "../parallel.h"
#include "kernels.h"
#include "lanes.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int64_t kChunkElements = 1 << 14;

template <typename T>
void permute(T* y, const T* x, const int32_t* row_slot, int64_t sorted, int64_t k, int64_t dim) {
  parallel_ranges(sorted, rows_per_chunk(dim, kChunkElements), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) memcpy(y + r * dim, x + row_slot[r] / k * dim, size_t(dim) * sizeof(T));
  });
}

template <typename T>
void gather_sum_row(T* dx, const T* dy, const int32_t* slots, int64_t k, int64_t dim, bool accumulate) {
  for_lanes(dim, [&](int64_t i, auto lane) {
    vf total = accumulate ? lane.load(dx + i) : zero();
    for (int64_t j = 0; j < k; j++)
      if (slots[j] >= 0) total += lane.load(dy + slots[j] * dim + i);
    lane.store(dx + i, total);
  });
}

template <typename T>
void permute_back(T* dx, const T* dy, const int32_t* slot_row, int64_t rows, int64_t k, int64_t dim, bool accumulate) {
  parallel_ranges(rows, rows_per_chunk(dim * k, kChunkElements), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; t++) gather_sum_row(dx + t * dim, dy, slot_row + t * k, k, dim, accumulate);
  });
}

template <typename T>
void combine_row(T* y, const T* x, const float* weights, const int32_t* slots, const T* shared, int64_t k, int64_t dim) {
  for_lanes(dim, [&](int64_t i, auto lane) {
    vf total = shared ? lane.load(shared + i) : zero();
    for (int64_t j = 0; j < k; j++)
      if (slots[j] >= 0) total = fma(lane.load(x + slots[j] * dim + i), splat(weights[j]), total);
    lane.store(y + i, total);
  });
}

template <typename T>
void combine(T* y, const T* x, const float* weights, const int32_t* slot_row, const T* shared, int64_t rows, int64_t k,
             int64_t dim) {
  parallel_ranges(rows, rows_per_chunk(dim * k, kChunkElements), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; t++)
      combine_row(y + t * dim, x, weights + t * k, slot_row + t * k, shared ? shared + t * dim : nullptr, k, dim);
  });
}

template <typename T>
void combine_slot_backward(T* dx, float* dweight, const T* dy, const T* x, float weight, int64_t dim) {
  for_lanes(dim, [&](int64_t i, auto lane) { lane.store(dx + i, lane.load(dy + i) * weight); });
  *dweight = sum_lanes(dim, [&](int64_t i, auto lane) { return lane.load(dy + i) * lane.load(x + i); });
}

template <typename T>
void combine_back(T* dx, float* dweights, const T* dy, const T* x, const float* weights, const int32_t* slot_row, int64_t rows,
                  int64_t k, int64_t dim) {
  parallel_ranges(rows, rows_per_chunk(dim * k, kChunkElements), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; t++)
      for (int64_t slot = t * k; slot < (t + 1) * k; slot++) {
        int64_t r = slot_row[slot];
        if (r < 0) dweights[slot] = 0;
        else combine_slot_backward(dx + r * dim, dweights + slot, dy + t * dim, x + r * dim, weights[slot], dim);
      }
  });
}

}  // namespace

void moe_sort(int32_t* offsets, int32_t* row_slot, int32_t* slot_row, const int32_t* experts, int64_t rows, int64_t k, int64_t e) {
  int64_t slots = rows * k;
  for (int64_t i = 0; i <= e; i++) offsets[i] = 0;
  for (int64_t s = 0; s < slots; s++)
    if (experts[s] >= 0 && experts[s] < e) offsets[experts[s] + 1]++;
  for (int64_t i = 0; i < e; i++) offsets[i + 1] += offsets[i];
  int32_t* next = scratch_of<int32_t>(10, e);
  memcpy(next, offsets, size_t(e) * sizeof(int32_t));
  for (int64_t s = 0; s < slots; s++) {
    bool routed = experts[s] >= 0 && experts[s] < e;
    slot_row[s] = routed ? next[experts[s]]++ : -1;
    if (routed) row_slot[slot_row[s]] = int32_t(s);
  }
  for (int64_t r = offsets[e]; r < slots; r++) row_slot[r] = -1;
}

void permute_forward(void* y, const void* x, const int32_t* row_slot, int64_t sorted, int64_t k, int64_t dim, int32_t type) {
  if (type == BF16) permute((bf16*)y, (const bf16*)x, row_slot, sorted, k, dim);
  else permute((float*)y, (const float*)x, row_slot, sorted, k, dim);
}

void permute_backward(void* dx, const void* dy, const int32_t* slot_row, int64_t rows, int64_t k, int64_t dim,
                      int32_t accumulate, int32_t type) {
  if (type == BF16) permute_back((bf16*)dx, (const bf16*)dy, slot_row, rows, k, dim, accumulate != 0);
  else permute_back((float*)dx, (const float*)dy, slot_row, rows, k, dim, accumulate != 0);
}

void combine_forward(void* y, const void* x, const float* weights, const int32_t* slot_row, const void* shared, int64_t rows,
                     int64_t k, int64_t dim, int32_t type) {
  if (type == BF16) combine((bf16*)y, (const bf16*)x, weights, slot_row, (const bf16*)shared, rows, k, dim);
  else combine((float*)y, (const float*)x, weights, slot_row, (const float*)shared, rows, k, dim);
}

void combine_backward(void* dx, float* dweights, const void* dy, const void* x, const float* weights, const int32_t* slot_row,
                      int64_t rows, int64_t k, int64_t dim, int32_t type) {
  if (type == BF16) combine_back((bf16*)dx, dweights, (const bf16*)dy, (const bf16*)x, weights, slot_row, rows, k, dim);
  else combine_back((float*)dx, dweights, (const float*)dy, (const float*)x, weights, slot_row, rows, k, dim);
}

}  // namespace FATHOM_ISA
}  // namespace fathom
