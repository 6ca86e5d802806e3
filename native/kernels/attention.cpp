// Causal attention forward over packed sequences in the MLA form. See kernels.h. Tiles of queries by keys with an online softmax, after
// FlashAttention (Dao et al. 2022): scores never leave the cache, and key tiles above the diagonal are never visited. One task is one
// block of query tiles of one head; queries are scaled as they are packed. Tiles start at the sequence's first row and know nothing of
// each other, so a row's result depends only on its own sequence's rows up to itself.
#include <vector>

#include "attention_tiles.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

// Consecutive query tiles of one sequence that share the packing of each key tile.
struct QueryBlock {
  int64_t sequence_begin, begin, end;  // rows
};

template <typename T>
struct Forward {
  T* o;
  float* lse;
  const T *q, *kv, *k_rope;
  int64_t rows, heads, kv_heads, dn, dr, dv, k_rope_stride;
  float scale;

  int64_t d() const { return dn + dr; }
  int64_t key_width() const { return padded(d()); }
  int64_t value_width() const { return padded(dv); }

  // What a query tile carries from key tile to key tile.
  struct Tile {
    int64_t begin, count, lanes;
    float* queries;  // [d, lanes], scaled
    float* sums;     // [count, value_width], weighted values
    RunningSoftmax softmax;
  };

  int64_t tile_floats() const { return kQueryTile * (d() + value_width() + 2); }

  Tile start(float* memory, int64_t begin, int64_t end, int64_t head, float* rows_of_q) const {
    int64_t count = smaller(kQueryTile, end - begin);
    float* sums = memory + kQueryTile * d();
    float* most = sums + kQueryTile * value_width();
    Tile tile{begin, count, padded(count), memory, sums, {most, most + kQueryTile, padded(count)}};
    tiles::pack(rows_of_q, key_width(), q + (begin * heads + head) * d(), heads * d(), count, d(), key_width());
    tiles::transpose(tile.queries, tile.lanes, rows_of_q, key_width(), count, d(), scale);
    tile.softmax.start();
    return tile;
  }

  // Adds `found` keys, the first of them at row `key`, to a tile.
  void add(Tile& tile, const float* keys, const float* values, float* scores, float* correction, int64_t key, int64_t found,
           bool first) const {
    int64_t vw = value_width();
    bool diagonal = key == tile.begin;
    tiles::scores(scores, tile.lanes, keys, key_width(), tile.queries, found, d(), diagonal);
    bool changed = tile.softmax.add(scores, correction, found, diagonal);
    if (changed && !first) tiles::scale_rows(tile.sums, correction, tile.count, vw);
    tiles::sum_keys(tile.sums, scores, tile.lanes, values, tile.count, vw, found, diagonal, !first);
  }

  void finish(const Tile& tile, int64_t head) const {
    for (int64_t i = 0; i < tile.count; i++) {
      float share = 1.0f / tile.softmax.total[i];
      tiles::narrow(o + ((tile.begin + i) * heads + head) * dv, tile.sums + i * value_width(), dv, share);
      lse[head * rows + tile.begin + i] = tile.softmax.most[i] + std::log(tile.softmax.total[i]);
    }
  }

  void run(const QueryBlock& block, int64_t head) const {
    int64_t kw = key_width(), vw = value_width(), kv_head = head / (heads / kv_heads);
    float* keys = scratch_of<float>(4, kKeyTile * (2 * kw + vw + kQueryTile) + kQueryTile + kBlockTiles * tile_floats());
    float* values = keys + kKeyTile * kw;          // [kKeyTile, vw]
    float* scores = values + kKeyTile * vw;        // [kKeyTile, lanes]
    float* rows_of_q = scores + kKeyTile * kQueryTile;
    float* correction = rows_of_q + kQueryTile * kw;
    Tile tile[kBlockTiles];
    int64_t count = 0;
    for (int64_t begin = block.begin; begin < block.end; begin += kQueryTile, count++)
      tile[count] = start(correction + kQueryTile + count * tile_floats(), begin, block.end, head, rows_of_q);
    for (int64_t key = block.sequence_begin; key < block.end; key += kKeyTile) {
      int64_t found = smaller(kKeyTile, block.end - key);
      const T* source = kv + (key * kv_heads + kv_head) * (dn + dv);
      tiles::pack(keys, kw, source, kv_heads * (dn + dv), found, dn, dr > 0 ? dn : kw);
      if (dr > 0) tiles::pack(keys + dn, kw, k_rope + key * k_rope_stride, k_rope_stride, found, dr, kw - dn);
      tiles::pack(values, vw, source + dn, kv_heads * (dn + dv), found, dv, vw);
      for (int64_t t = 0; t < count; t++)
        if (tile[t].begin >= key) add(tile[t], keys, values, scores, correction, key, found, key == block.sequence_begin);
    }
    for (int64_t t = 0; t < count; t++) finish(tile[t], head);
  }
};

}  // namespace

void attention_forward(void* o, float* lse, const void* q, const void* kv, const void* k_rope, const int32_t* seq_offsets,
                       int64_t sequences, int64_t rows, int64_t heads, int64_t kv_heads, int64_t dn, int64_t dr, int64_t dv,
                       int64_t k_rope_stride, float scale, int32_t type) {
  constexpr int64_t step = kQueryTile * kBlockTiles;
  std::vector<QueryBlock> blocks;
  for (int64_t s = 0; s < sequences; s++)
    for (int64_t begin = seq_offsets[s]; begin < seq_offsets[s + 1]; begin += step)
      blocks.push_back({seq_offsets[s], begin, smaller(begin + step, seq_offsets[s + 1])});
  int64_t count = int64_t(blocks.size());
  auto all = [&](auto forward) {
    // Late blocks see the most keys: they go out first.
    parallel_for(count * heads, [&](int64_t chunk) { forward.run(blocks[size_t(count - 1 - chunk / heads)], chunk % heads); });
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
