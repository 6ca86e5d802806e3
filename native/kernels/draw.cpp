// The next token of each row, drawn from softmax(logits / T). See kernels.h. One walk finds the largest logit, one sums the weights
// exp((logit - largest) / T) by blocks, and the block in which the running sum passes the draw is walked once more. Weights below e^-80 of
// the best count as none: those of forbidden tokens too. What a row draws depends on no other row.
#include <cmath>

#include "../parallel.h"
#include "kernels.h"
#include "lanes.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int64_t kChunkElements = 1 << 14;
constexpr int64_t kBlock = 512;

struct Best {
  int64_t id;
  float logit;
};

// The first of the largest; id 0 where every logit is NaN.
Best best_of(const float* x, int64_t n) {
  vf a = splat(-INFINITY), b = a;
  int64_t i = 0;
  for (; i + 2 * W <= n; i += 2 * W) {
    a = vmax(load(x + i), a);  // the second where the first is NaN
    b = vmax(load(x + i + W), b);
  }
  float largest = max_of(vmax(a, b));
  for (; i < n; i++) largest = x[i] > largest ? x[i] : largest;
  for (i = 0; i < n; i++)
    if (x[i] == largest) return {i, largest};
  return {0, x[0]};
}

struct Weights {
  const float* x;
  float largest, inverse_temperature;

  vf of(vf logit) const {
    vf d = (logit - largest) * inverse_temperature;
    return d > -80.0f ? vexp(d) : zero();
  }
  double of_block(int64_t begin, int64_t n) const {
    int64_t whole = n / W * W;  // the rest goes one by one: padding must not count
    double total = double(sum_lanes(whole, [&](int64_t i, auto lane) { return of(lane.load(x + begin + i)); }));
    for (int64_t i = whole; i < n; i++) total += double(of(splat(x[begin + i]))[0]);
    return total;
  }
};

void draw_row(int32_t& id, float& logprob, const float* x, int64_t n, float inverse_temperature, double draw) {
  Best best = best_of(x, n);
  id = int32_t(best.id);
  logprob = 0;
  if (inverse_temperature == 0) return;
  Weights weights{x, best.logit, inverse_temperature};
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += kBlock) total += weights.of_block(begin, n - begin < kBlock ? n - begin : kBlock);
  double left = draw * total;
  int64_t last = best.id;
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    int64_t length = n - begin < kBlock ? n - begin : kBlock;
    double mass = weights.of_block(begin, length);
    if (mass <= left) {
      left -= mass;
      continue;
    }
    // Within the block the sum runs in another order: where that leaves a rest, the last token with a weight takes it.
    for (int64_t i = begin; i < begin + length; i++) {
      float weight = weights.of(splat(x[i]))[0];
      if (weight == 0) continue;
      last = i;
      left -= double(weight);
      if (left < 0) break;
    }
    break;
  }
  id = int32_t(last);
  logprob = float(double(x[last] - best.logit) * double(inverse_temperature) - std::log(total));
}

}  // namespace

void draw_tokens(int32_t* ids, float* logprobs, const float* logits, const float* inverse_temperatures, const double* draws, int64_t rows,
                 int64_t width, int64_t usable) {
  parallel_ranges(rows, rows_per_chunk(usable, kChunkElements), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) {
      if (inverse_temperatures[r] < 0) continue;
      draw_row(ids[r], logprobs[r], logits + r * width, usable, inverse_temperatures[r], draws[r]);
    }
  });
}

}  // namespace FATHOM_ISA
}  // namespace fathom
