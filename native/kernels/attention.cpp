// Causal attention forward over packed sequences in the MLA form. See kernels.h. Tiles of queries by keys with an online softmax, after
// FlashAttention (Dao et al. 2022): scores never leave the cache, and key tiles above the diagonal are never visited. One task is one
// query tile of one head; queries are scaled as they are packed. Tiles start at the sequence's first row, so a row's result depends on its own sequence alone, and only on
// rows before it.
#include <vector>

#include "attention_tiles.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

struct QueryTile {
  int64_t sequence_begin, begin, end;  // rows
};

template <typename T>
struct Forward {
  T* o;
  float* lse;
  const T *q, *kv, *k_rope;
  int64_t rows, heads, kv_heads, dn, dr, dv, k_rope_stride;
  float scale;

  void run(const QueryTile& tile, int64_t head) const {
    int64_t d = dn + dr, count = tile.end - tile.begin, lanes = padded(count), value_width = padded(dv);
    int64_t kv_head = head / (heads / kv_heads);
    float* work = scratch_of<float>(
        4, (d + padded(d)) * kQueryTile + kKeyTile * (padded(d) + value_width + kQueryTile) + kQueryTile * (value_width + 3));
    float* queries = work;                              // [d, lanes]
    float* keys = queries + d * kQueryTile;             // [kKeyTile, padded d]
    float* values = keys + kKeyTile * padded(d);        // [kKeyTile, value_width]
    float* scores = values + kKeyTile * value_width;    // [kKeyTile, lanes]
    float* sums = scores + kKeyTile * kQueryTile;       // [kQueryTile, value_width]
    float* correction = sums + kQueryTile * value_width;
    RunningSoftmax softmax{correction + kQueryTile, correction + 2 * kQueryTile, lanes};
    float* rows_of_q = softmax.total + kQueryTile;      // [kQueryTile, padded d]

    tiles::pack(rows_of_q, padded(d), q + (tile.begin * heads + head) * d, heads * d, count, d, scale);
    tiles::transpose(queries, lanes, rows_of_q, padded(d), count, d);
    softmax.start();
    for (int64_t key = tile.sequence_begin; key < tile.end; key += kKeyTile) {
      int64_t found = smaller(kKeyTile, tile.end - key);
      const T* source = kv + (key * kv_heads + kv_head) * (dn + dv);
      for (int64_t i = 0; i < found; i++) {
        tiles::widen(keys + i * padded(d), source + i * kv_heads * (dn + dv), dn);
        if (dr > 0) tiles::widen(keys + i * padded(d) + dn, k_rope + (key + i) * k_rope_stride, dr);
      }
      tiles::pack(values, value_width, source + dn, kv_heads * (dn + dv), found, dv);
      bool first = key == tile.sequence_begin, diagonal = key == tile.begin;
      tiles::scores(scores, lanes, keys, padded(d), queries, found, d, diagonal);
      bool changed = softmax.add(scores, correction, found, diagonal);
      if (changed && !first)
        for (int64_t i = 0; i < count; i++)
          for (int64_t j = 0; j < value_width; j += W) store(sums + i * value_width + j, load(sums + i * value_width + j) * correction[i]);
      tiles::sum_keys(sums, scores, lanes, values, count, value_width, found, diagonal, !first);
    }
    for (int64_t i = 0; i < count; i++) {
      float share = 1.0f / softmax.total[i];
      const float* from = sums + i * value_width;
      T* to = o + ((tile.begin + i) * heads + head) * dv;
      for_lanes(dv, [&](int64_t j, auto lane) { lane.store(to + j, lane.load(from + j) * share); });
      lse[head * rows + tile.begin + i] = softmax.most[i] + std::log(softmax.total[i]);
    }
  }
};

}  // namespace

void attention_forward(void* o, float* lse, const void* q, const void* kv, const void* k_rope, const int32_t* seq_offsets,
                       int64_t sequences, int64_t rows, int64_t heads, int64_t kv_heads, int64_t dn, int64_t dr, int64_t dv,
                       int64_t k_rope_stride, float scale, int32_t type) {
  std::vector<QueryTile> tiles;
  for (int64_t s = 0; s < sequences; s++)
    for (int64_t begin = seq_offsets[s]; begin < seq_offsets[s + 1]; begin += kQueryTile)
      tiles.push_back({seq_offsets[s], begin, smaller(begin + kQueryTile, seq_offsets[s + 1])});
  int64_t count = int64_t(tiles.size());
  auto all = [&](auto forward) {
    // Later tiles see more keys: the longest work goes out first.
    parallel_for(count * heads, [&](int64_t chunk) { forward.run(tiles[size_t(count - 1 - chunk / heads)], chunk % heads); });
  };
  if (type == BF16)
    all(Forward<bf16>{(bf16*)o, lse, (const bf16*)q, (const bf16*)kv, (const bf16*)k_rope, rows, heads, kv_heads, dn, dr, dv,
                      k_rope_stride, scale});
  else
    all(Forward<float>{(float*)o, lse, (const float*)q, (const float*)kv, (const float*)k_rope, rows, heads, kv_heads, dn, dr, dv,
                       k_rope_stride, scale});
}

}  // namespace FATHOM_ISA
}  // namespace fathom
