// Expert routing: scores, groups, top-k and their backward; per-sequence statistics for the balance losses. DeepSeek-V3 report, section
// 2.1.2; DeepSeek-V2 for softmax and group maxima. See kernels.h. A weight that is alone (k = 1) is not normalised, as in the reference.
// Whatever the logits hold (a NaN too), the chosen experts are k different valid ids.
#include <cmath>

#include "../parallel.h"
#include "kernels.h"
#include "lanes.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int64_t kChunkElements = 1 << 12;
constexpr int64_t kBlockRows = 64;  // rows whose statistics are summed together
constexpr float kTiny = 1e-20f;
enum Scoring { SIGMOID = 0, SOFTMAX = 1 };
enum Method { GREEDY = 0, GROUP_MAX = 1, GROUP_TOP2_BIASED = 2 };

// Indices of the k largest of values[0..n), largest first, the lower index first among equals. `best` holds k values.
void top_k(int32_t* index, float* best, const float* values, int64_t n, int64_t k) {
  int64_t held = 0;
  for (int64_t i = 0; i < n; i++) {
    float v = values[i];
    if (held == k && !(v > best[k - 1])) continue;
    int64_t at = held < k ? held++ : k - 1;
    for (; at > 0 && v > best[at - 1]; at--) {
      best[at] = best[at - 1];
      index[at] = index[at - 1];
    }
    best[at] = v;
    index[at] = int32_t(i);
  }
}

void score_row(float* scores, const float* logits, int64_t e, int32_t scoring) {
  if (scoring == SIGMOID) {
    for_lanes(e, [&](int64_t i, auto lane) { lane.store(scores + i, vsigmoid(lane.load(logits + i))); });
    return;
  }
  float largest = -INFINITY;
  for (int64_t i = 0; i < e; i++) largest = logits[i] > largest ? logits[i] : largest;
  for_lanes(e, [&](int64_t i, auto lane) { lane.store(scores + i, vexp(lane.load(logits + i) - largest)); });
  float total = sum_lanes(e, [&](int64_t i, auto lane) { return lane.load(scores + i); });
  for_lanes(e, [&](int64_t i, auto lane) { lane.store(scores + i, lane.load(scores + i) / total); });
}

// Largest value of a group, or the sum of its two largest.
float group_score(const float* choice, int64_t n, int32_t method) {
  float first = -INFINITY, second = -INFINITY;
  for (int64_t i = 0; i < n; i++) {
    if (choice[i] > first) second = first, first = choice[i];
    else if (choice[i] > second) second = choice[i];
  }
  return method == GROUP_MAX || n < 2 ? first : first + second;
}

struct RouterWork {
  float* choice;       // [e]
  float* group;        // [groups]
  float* best;         // [max(k, kept groups)]
  int32_t* kept;       // [kept groups]
  unsigned char* open;  // [groups]
};

void route_row(int32_t* experts, float* weights, float* scores, const float* logits, const float* bias, int64_t e, int64_t k,
               int64_t groups, int64_t kept_groups, int32_t scoring, int32_t method, bool norm_topk, float scale,
               const RouterWork& work) {
  score_row(scores, logits, e, scoring);
  float* choice = work.choice;
  if (method == GROUP_TOP2_BIASED && bias)
    for (int64_t i = 0; i < e; i++) choice[i] = scores[i] + bias[i];
  else
    for (int64_t i = 0; i < e; i++) choice[i] = scores[i];
  if (method != GREEDY && groups > 1) {
    int64_t size = e / groups;
    for (int64_t g = 0; g < groups; g++) work.group[g] = group_score(choice + g * size, size, method);
    top_k(work.kept, work.best, work.group, groups, kept_groups);
    for (int64_t g = 0; g < groups; g++) work.open[g] = 0;
    for (int64_t g = 0; g < kept_groups; g++) work.open[work.kept[g]] = 1;
    for (int64_t g = 0; g < groups; g++)
      if (!work.open[g])
        for (int64_t i = 0; i < size; i++) choice[g * size + i] = -INFINITY;
  }
  top_k(experts, work.best, choice, e, k);
  float total = 0;
  for (int64_t j = 0; j < k; j++) total += weights[j] = scores[experts[j]];
  if (norm_topk && k > 1)
    for (int64_t j = 0; j < k; j++) weights[j] /= total + kTiny;
  for (int64_t j = 0; j < k; j++) weights[j] *= scale;
}

void route_row_backward(float* dlogits, const float* dweights, const float* dscores, const int32_t* experts, const float* scores,
                        int64_t e, int64_t k, int32_t scoring, bool norm_topk, float scale) {
  for (int64_t i = 0; i < e; i++) dlogits[i] = dscores ? dscores[i] : 0.0f;
  if (norm_topk && k > 1) {
    float total = 0, dot = 0;
    for (int64_t j = 0; j < k; j++) {
      total += scores[experts[j]];
      dot += dweights[j] * scores[experts[j]];
    }
    float inverse = 1.0f / (total + kTiny);
    for (int64_t j = 0; j < k; j++) dlogits[experts[j]] += scale * inverse * (dweights[j] - dot * inverse);
  } else {
    for (int64_t j = 0; j < k; j++) dlogits[experts[j]] += scale * dweights[j];
  }
  // dlogits holds the gradient of the scores so far.
  if (scoring == SIGMOID) {
    for_lanes(e, [&](int64_t i, auto lane) {
      vf s = lane.load(scores + i);
      lane.store(dlogits + i, lane.load(dlogits + i) * s * (1.0f - s));
    });
  } else {
    float dot = sum_lanes(e, [&](int64_t i, auto lane) { return lane.load(dlogits + i) * lane.load(scores + i); });
    for_lanes(e, [&](int64_t i, auto lane) { lane.store(dlogits + i, lane.load(scores + i) * (lane.load(dlogits + i) - dot)); });
  }
}

// Rows [begin, end) of one sequence.
struct RowBlock {
  int64_t sequence, begin, end;
};

int64_t count_blocks(const int32_t* seq_offsets, int64_t sequences) {
  int64_t count = 0;
  for (int64_t s = 0; s < sequences; s++) count += (seq_offsets[s + 1] - seq_offsets[s] + kBlockRows - 1) / kBlockRows;
  return count;
}

// Cuts every sequence, from its own start, into blocks of kBlockRows.
void fill_blocks(RowBlock* blocks, const int32_t* seq_offsets, int64_t sequences) {
  for (int64_t s = 0; s < sequences; s++)
    for (int64_t r = seq_offsets[s]; r < seq_offsets[s + 1]; r += kBlockRows) {
      int64_t end = r + kBlockRows < seq_offsets[s + 1] ? r + kBlockRows : seq_offsets[s + 1];
      *blocks++ = RowBlock{s, r, end};
    }
}

void block_statistics(float* means, int32_t* counts, const float* scores, const RowBlock& block, int64_t e, int64_t k,
                      bool normalize, int32_t* index, float* best) {
  for (int64_t i = 0; i < e; i++) means[i] = 0;
  for (int64_t i = 0; i < e; i++) counts[i] = 0;
  for (int64_t r = block.begin; r < block.end; r++) {
    const float* row = scores + r * e;
    float factor = 1;
    if (normalize) factor = 1.0f / (sum_lanes(e, [&](int64_t i, auto lane) { return lane.load(row + i); }) + kTiny);
    for_lanes(e, [&](int64_t i, auto lane) { lane.store(means + i, lane.load(means + i) + lane.load(row + i) * factor); });
    top_k(index, best, row, e, k);
    for (int64_t j = 0; j < k; j++) counts[index[j]]++;
  }
}

}  // namespace

void router_forward(int32_t* experts, float* weights, float* scores, const float* logits, const float* bias, int64_t rows,
                    int64_t e, int64_t k, int64_t groups, int64_t kept_groups, int32_t scoring, int32_t method,
                    int32_t norm_topk, float scale) {
  parallel_ranges(rows, rows_per_chunk(e, kChunkElements), [&](int64_t begin, int64_t end) {
    int64_t most = k > kept_groups ? k : kept_groups;
    RouterWork work;
    work.choice = scratch_of<float>(10, e);
    work.group = scratch_of<float>(11, groups);
    work.best = scratch_of<float>(12, most);
    work.kept = scratch_of<int32_t>(13, kept_groups);
    work.open = scratch_of<unsigned char>(14, groups);
    for (int64_t r = begin; r < end; r++)
      route_row(experts + r * k, weights + r * k, scores + r * e, logits + r * e, bias, e, k, groups, kept_groups, scoring,
                method, norm_topk != 0, scale, work);
  });
}

void router_backward(float* dlogits, const float* dweights, const float* dscores, const int32_t* experts, const float* scores,
                     int64_t rows, int64_t e, int64_t k, int32_t scoring, int32_t norm_topk, float scale) {
  parallel_ranges(rows, rows_per_chunk(e, kChunkElements), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++)
      route_row_backward(dlogits + r * e, dweights + r * k, dscores ? dscores + r * e : nullptr, experts + r * k, scores + r * e, e,
                         k, scoring, norm_topk != 0, scale);
  });
}

void router_statistics(float* mean_scores, int32_t* top_counts, const float* scores, const int32_t* seq_offsets,
                       int64_t sequences, int64_t e, int64_t k, int32_t normalize) {
  int64_t count = count_blocks(seq_offsets, sequences);
  RowBlock* blocks = scratch_of<RowBlock>(10, count);
  float* means = scratch_of<float>(11, count * e);
  int32_t* counts = scratch_of<int32_t>(12, count * e);
  fill_blocks(blocks, seq_offsets, sequences);
  parallel_for(count, [&](int64_t b) {
    int32_t* index = scratch_of<int32_t>(13, k);
    float* best = scratch_of<float>(14, k);
    block_statistics(means + b * e, counts + b * e, scores, blocks[b], e, k, normalize != 0, index, best);
  });
  for (int64_t i = 0; i < sequences * e; i++) mean_scores[i] = 0;
  for (int64_t i = 0; i < sequences * e; i++) top_counts[i] = 0;
  for (int64_t b = 0; b < count; b++) {
    float* mean_row = mean_scores + blocks[b].sequence * e;
    int32_t* count_row = top_counts + blocks[b].sequence * e;
    for (int64_t i = 0; i < e; i++) mean_row[i] += means[b * e + i];
    for (int64_t i = 0; i < e; i++) count_row[i] += counts[b * e + i];
  }
  for (int64_t s = 0; s < sequences; s++) {
    int64_t length = seq_offsets[s + 1] - seq_offsets[s];
    if (length > 0)
      for (int64_t i = 0; i < e; i++) mean_scores[s * e + i] /= float(length);
  }
}

void router_statistics_backward(float* dscores, const float* dmean, const float* scores, const int32_t* seq_offsets,
                                int64_t sequences, int64_t e, int32_t normalize) {
  int64_t count = count_blocks(seq_offsets, sequences);
  RowBlock* blocks = scratch_of<RowBlock>(10, count);
  fill_blocks(blocks, seq_offsets, sequences);
  parallel_for(count, [&](int64_t b) {
    RowBlock block = blocks[b];
    const float* dmean_row = dmean + block.sequence * e;
    float share = 1.0f / float(seq_offsets[block.sequence + 1] - seq_offsets[block.sequence]);
    for (int64_t r = block.begin; r < block.end; r++) {
      const float* row = scores + r * e;
      float* out = dscores + r * e;
      float factor = share, mean = 0;
      if (normalize) {
        // d(s_i / S): (dmean_i - sum_j dmean_j s_j / S) / S
        float inverse = 1.0f / (sum_lanes(e, [&](int64_t i, auto lane) { return lane.load(row + i); }) + kTiny);
        mean = inverse * sum_lanes(e, [&](int64_t i, auto lane) { return lane.load(row + i) * lane.load(dmean_row + i); });
        factor *= inverse;
      }
      for_lanes(e, [&](int64_t i, auto lane) {
        lane.store(out + i, lane.load(out + i) + (lane.load(dmean_row + i) - mean) * factor);
      });
    }
  });
}

void expert_counts(int32_t* counts, const int32_t* experts, const int32_t* seq_offsets, int64_t sequences, int64_t e, int64_t k) {
  parallel_for(sequences, [&](int64_t s) {
    int32_t* row = counts + s * e;
    for (int64_t i = 0; i < e; i++) row[i] = 0;
    for (int64_t slot = seq_offsets[s] * k; slot < seq_offsets[s + 1] * k; slot++)
      if (experts[slot] >= 0 && experts[slot] < e) row[experts[slot]]++;
  });
}

}  // namespace FATHOM_ISA
}  // namespace fathom
