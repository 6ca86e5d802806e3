// The next token of each row, drawn from softmax(logits / T). See kernels.h. One walk finds the largest logit, one sums the weights
// exp((logit - largest) / T) block by block, and the block in which the running sum passes the draw is walked once more. Weights below
// e^-80 of the best count as none: those of forbidden tokens too. What a row draws depends on no other row.
#include <cmath>

#include "../parallel.h"
#include "kernels.h"
#include "lanes.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int64_t kChunkElements = 1 << 14;
constexpr int64_t kBlocks = 64;

struct Weights {
  const float* x;
  float largest, inverse_temperature;

  vf of(vf logit) const {
    vf d = (logit - largest) * inverse_temperature;
    return d > -80.0f ? vexp(d) : zero();
  }
  double sum(int64_t begin, int64_t end) const {
    int64_t whole = (end - begin) / W * W;  // the rest goes one by one: padding must not count
    double total = double(sum_lanes(whole, [&](int64_t i, auto lane) { return of(lane.load(x + begin + i)); }));
    for (int64_t i = begin + whole; i < end; i++) total += double(of(splat(x[i]))[0]);
    return total;
  }
};

// The first of the largest; 0 where every logit is NaN.
int64_t arg_max(const float* x, int64_t n, float largest) {
  for (int64_t i = 0; i < n; i++)
    if (x[i] == largest) return i;
  return 0;
}

void draw_row(int32_t& id, float& logprob, const float* x, int64_t n, float inverse_temperature, double draw) {
  float largest = largest_of(x, n);
  if (inverse_temperature == 0) {
    id = int32_t(arg_max(x, n, largest));
    logprob = 0;
    return;
  }
  Weights weights{x, largest, inverse_temperature};
  int64_t length = (n + kBlocks - 1) / kBlocks;
  double masses[kBlocks];
  double total = 0;
  for (int64_t b = 0; b < kBlocks; b++) {
    int64_t begin = b * length < n ? b * length : n;
    total += masses[b] = weights.sum(begin, begin + length < n ? begin + length : n);
  }
  double left = draw * total;
  int64_t block = 0, last = kBlocks - 1;
  while (last > 0 && masses[last] == 0) last--;
  for (; block < last && masses[block] <= left; block++) left -= masses[block];
  // Within the block the sum runs in another order: what that leaves goes to its last token with a weight.
  int64_t chosen = -1;
  for (int64_t i = block * length; i < n && i < (block + 1) * length && !(left < 0); i++) {
    float weight = weights.of(splat(x[i]))[0];
    if (weight == 0) continue;
    chosen = i;
    left -= double(weight);
  }
  if (chosen < 0) chosen = arg_max(x, n, largest);  // NaNs everywhere
  id = int32_t(chosen);
  logprob = float((double(x[chosen]) - double(largest)) * double(inverse_temperature) - std::log(total));
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
