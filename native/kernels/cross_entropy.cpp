// Softmax cross-entropy and its gradient in place, two passes over a row. See kernels.h. The first pass walks blocks that fit the cache:
// the block's maximum, then its sum of exponentials against the running maximum (Milakov & Gimelshein 2018). The second writes the
// gradient. A target that is neither -1 nor in the vocabulary gives a NaN loss and no gradient.
#include <cmath>

#include "../parallel.h"
#include "kernels.h"
#include "lanes.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int64_t kChunkElements = 1 << 15;
constexpr int64_t kBlock = 2048;

struct LogSum {
  float largest;
  double total;  // sum of exp(logit - largest)
};

template <typename T>
float block_max(const T* x, int64_t n) {
  vf a = splat(-INFINITY), b = a;
  int64_t i = 0;
  for (; i + 2 * W <= n; i += 2 * W) {
    a = vmax(a, load(x + i));
    b = vmax(b, load(x + i + W));
  }
  float largest = max_of(vmax(a, b));
  for (; i < n; i++) largest = to_f32(x[i]) > largest ? to_f32(x[i]) : largest;
  return largest;
}

template <typename T>
LogSum log_sum(const T* x, int64_t n) {
  LogSum s{-INFINITY, 0};
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    int64_t length = n - begin < kBlock ? n - begin : kBlock;
    const T* block = x + begin;
    float largest = block_max(block, length);
    if (largest > s.largest) {
      s.total *= std::exp(double(s.largest) - double(largest));
      s.largest = largest;
    }
    float m = s.largest == -INFINITY ? 0.0f : s.largest;  // -inf - -inf would be a NaN of our own making
    int64_t whole = length / W * W;                       // the rest goes one by one: padding must not count
    s.total += double(sum_lanes(whole, [&](int64_t i, auto lane) { return vexp(lane.load(block + i) - m); }));
    for (int64_t i = whole; i < length; i++) s.total += double(vexp(splat(to_f32(block[i]) - m))[0]);
  }
  return s;
}

// The maximum is taken off first and the logarithm of the sum second: their sum, rounded to f32, would cost large logits their digits.
template <typename T>
void gradient_row(T* x, int64_t n, int64_t target, float largest, float log_total, float grad_scale) {
  float hit = to_f32(x[target]);
  for_lanes(n, [&](int64_t i, auto lane) { lane.store(x + i, vexp(lane.load(x + i) - largest - log_total) * grad_scale); });
  x[target] = from_f32<T>((vexp(splat(hit - largest - log_total))[0] - 1.0f) * grad_scale);
}

template <typename T>
void row(float* loss, int32_t* correct, T* x, int64_t target, int64_t vocab, bool gradient, float grad_scale) {
  if (target < 0 || target >= vocab) {
    *loss = target == -1 ? 0.0f : NAN;
    if (correct) *correct = 0;
    if (gradient) for_lanes(vocab, [&](int64_t i, auto lane) { lane.store(x + i, zero()); });
    return;
  }
  LogSum s = log_sum(x, vocab);
  float hit = to_f32(x[target]);
  double log_total = std::log(s.total);
  *loss = float(log_total + (double(s.largest) - double(hit)));
  if (correct) {
    bool is_best = hit == s.largest;
    for (int64_t i = 0; is_best && i < target; i++) is_best = to_f32(x[i]) != hit;
    *correct = is_best;
  }
  if (gradient) gradient_row(x, vocab, target, s.largest, float(log_total), grad_scale);
}

template <typename T>
void all_rows(float* losses, int32_t* correct, T* logits, const int32_t* targets, int64_t rows, int64_t vocab, bool gradient,
              float grad_scale) {
  parallel_ranges(rows, rows_per_chunk(vocab, kChunkElements), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++)
      row(losses + r, correct ? correct + r : nullptr, logits + r * vocab, targets[r], vocab, gradient, grad_scale);
  });
}

}  // namespace

void cross_entropy(float* losses, int32_t* correct, void* logits, const int32_t* targets, int64_t rows, int64_t vocab,
                   int32_t gradient, float grad_scale, int32_t type) {
  if (type == BF16) all_rows(losses, correct, (bf16*)logits, targets, rows, vocab, gradient != 0, grad_scale);
  else all_rows(losses, correct, (float*)logits, targets, rows, vocab, gradient != 0, grad_scale);
}

}  // namespace FATHOM_ISA
}  // namespace fathom
