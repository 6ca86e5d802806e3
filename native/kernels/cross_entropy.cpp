// Softmax cross-entropy and its gradient in place, two passes over a row. See kernels.h. The first pass walks blocks that fit the cache:
// the block's maximum, then its sum of exponentials against the running maximum (Milakov & Gimelshein 2018). The second writes the
// gradient. A target that is neither -1 nor in the vocabulary gives a NaN loss and no gradient. With a temperature the row is scaled
// first; the entropy costs a third walk, sum p (m - x) + log sum, and only where it is asked for.
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
LogSum log_sum(const T* x, int64_t n) {
  LogSum s{-INFINITY, 0};
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    int64_t length = n - begin < kBlock ? n - begin : kBlock;
    const T* block = x + begin;
    float largest = largest_of(block, length);
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

// -sum p log p in nats, p = softmax(x). A logit of -inf has p = 0 and adds nothing: -inf * 0 is kept out by the bound.
template <typename T>
float entropy_row(const T* x, int64_t n, LogSum s) {
  vf lowest = splat(-1e30f);
  double weighted = 0;  // sum of exp(x - m) (x - m)
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    int64_t length = n - begin < kBlock ? n - begin : kBlock;
    const T* block = x + begin;
    auto term = [&](vf value) {
      vf d = vmax(value - s.largest, lowest);
      return vexp(d) * d;
    };
    int64_t whole = length / W * W;
    weighted += double(sum_lanes(whole, [&](int64_t i, auto lane) { return term(lane.load(block + i)); }));
    for (int64_t i = whole; i < length; i++) weighted += double(term(splat(to_f32(block[i])))[0]);
  }
  return float(std::log(s.total) - weighted / s.total);
}

// The maximum is taken off first and the logarithm of the sum second: their sum, rounded to f32, would cost large logits their digits.
template <typename T>
void gradient_row(T* x, int64_t n, int64_t target, float largest, float log_total, float grad_scale) {
  float hit = to_f32(x[target]);
  for_lanes(n, [&](int64_t i, auto lane) { lane.store(x + i, vexp(lane.load(x + i) - largest - log_total) * grad_scale); });
  x[target] = from_f32<T>((vexp(splat(hit - largest - log_total))[0] - 1.0f) * grad_scale);
}

struct Rows {
  float* losses;
  int32_t* correct;
  float* entropies;
  const int32_t* targets;
  const float* row_scales;
  int64_t vocab;
  bool gradient;
  float grad_scale, inverse_temperature;
};

template <typename T>
void row(const Rows& a, int64_t r, T* x) {
  int64_t target = a.targets[r], vocab = a.vocab;
  if (target < 0 || target >= vocab) {
    a.losses[r] = target == -1 ? 0.0f : NAN;
    if (a.correct) a.correct[r] = 0;
    if (a.entropies) a.entropies[r] = 0;
    if (a.gradient) for_lanes(vocab, [&](int64_t i, auto lane) { lane.store(x + i, zero()); });
    return;
  }
  if (a.inverse_temperature != 1)
    for_lanes(vocab, [&](int64_t i, auto lane) { lane.store(x + i, lane.load(x + i) * a.inverse_temperature); });
  LogSum s = log_sum(x, vocab);
  float hit = to_f32(x[target]);
  double log_total = std::log(s.total);
  a.losses[r] = float(log_total + (double(s.largest) - double(hit)));
  if (a.correct) {
    bool is_best = hit == s.largest;
    for (int64_t i = 0; is_best && i < target; i++) is_best = to_f32(x[i]) != hit;
    a.correct[r] = is_best;
  }
  if (a.entropies) a.entropies[r] = entropy_row(x, vocab, s);
  if (!a.gradient) return;
  float scale = a.grad_scale * a.inverse_temperature;
  gradient_row(x, vocab, target, s.largest, float(log_total), a.row_scales ? scale * a.row_scales[r] : scale);
}

template <typename T>
void all_rows(const Rows& a, T* logits, int64_t rows) {
  parallel_ranges(rows, rows_per_chunk(a.vocab, kChunkElements), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) row(a, r, logits + r * a.vocab);
  });
}

}  // namespace

void cross_entropy(float* losses, int32_t* correct, float* entropies, void* logits, const int32_t* targets, const float* row_scales,
                   int64_t rows, int64_t vocab, int32_t gradient, float grad_scale, float inverse_temperature, int32_t type) {
  Rows a{losses, correct, entropies, targets, row_scales, vocab, gradient != 0, grad_scale, inverse_temperature};
  if (type == BF16) all_rows(a, (bf16*)logits, rows);
  else all_rows(a, (float*)logits, rows);
}

}  // namespace FATHOM_ISA
}  // namespace fathom
