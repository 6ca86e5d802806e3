// Causal attention forward over packed sequences in the MLA form. See kernels.h. Tiles of queries by keys with an online softmax, after
// FlashAttention (Dao et al. 2022): scores never leave the cache, and key tiles above the diagonal are never visited. One task is one
// block of query tiles of one head. Tiles start at whole multiples of their size from the sequence's first row and know nothing of
// each other, so a row's result depends only on its own sequence's rows up to itself.
#include <type_traits>
#include <vector>

#include "attention_tiles.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

// Consecutive query tiles of one sequence that share the packing of each key tile.
struct QueryBlock {
  int64_t first_key;   // of the sequence
  int64_t begin, end;  // rows of q
  int64_t shift;       // from a row of q to its own key
};

template <typename T, typename Words>
struct Forward {
  using Element = typename Words::Element;
  T* o;
  float* lse;
  const T *q, *kv, *k_rope;
  int64_t rows, heads, kv_heads, dn, dr, dv, k_rope_stride;
  float scale;

  int64_t d() const { return dn + dr; }
  int64_t key_width() const { return padded(Words::words(d())); }  // words
  int64_t value_width() const { return padded(dv); }
  // f32 queries are scaled as they are packed; bf16 would be rounded, so there the scores are.
  static constexpr bool kScalesQueries = Words::per_word == 1;

  // What a query tile carries from key tile to key tile.
  struct Tile {
    int64_t begin, count, lanes;
    int64_t own_key;  // of its first query
    float* queries;  // [words(d), lanes]
    float* sums;     // [count, value_width], weighted values
    RunningSoftmax softmax;
  };

  int64_t tile_floats() const { return kQueryTile * (Words::words(d()) + value_width() + 2); }

  Tile start(float* memory, int64_t begin, const QueryBlock& block, int64_t head, float* rows_of_q) const {
    int64_t count = smaller(kQueryTile, block.end - begin);
    int64_t depth = Words::words(d());
    float* sums = memory + kQueryTile * depth;
    float* most = sums + kQueryTile * value_width();
    Tile tile{begin, count, padded(count), begin + block.shift, memory, sums, {most, most + kQueryTile, padded(count)}};
    pack_rows(rows_of_q, q + (begin * heads + head) * d(), heads * d(), count, 0, d(), key_width() * Words::per_word);
    tiles::transpose<Words>(tile.queries, tile.lanes, rows_of_q, key_width(), count, depth, scale);
    tile.softmax.start();
    return tile;
  }

  // Columns [at, at + width) of rows of key_width() words, and zeros up to column `full`.
  void pack_rows(float* rows, const T* x, int64_t ldx, int64_t count, int64_t at, int64_t width, int64_t full) const {
    tiles::pack(reinterpret_cast<Element*>(rows) + at, key_width() * Words::per_word, x, ldx, count, width, full - at);
  }

  // Adds `found` keys, the first of them at row `key`, to a tile.
  void add(Tile& tile, const float* keys, const float* values, float* scores, float* correction, int64_t key, int64_t found,
           bool first) const {
    int64_t vw = value_width();
    bool diagonal = key == tile.own_key;
    tiles::scores<Words>(scores, tile.lanes, keys, key_width(), tile.queries, found, Words::words(d()), diagonal);
    bool changed = tile.softmax.add(scores, correction, found, diagonal, kScalesQueries ? 1.0f : scale);
    if (changed && !first) tiles::scale_rows(tile.sums, correction, tile.count, vw);
    const float* p = tiles::along_keys(scores + kKeyTile * kQueryTile, scores, tile.lanes, found, diagonal, Words{});
    tiles::sum_keys<Words>(tile.sums, p, tile.lanes, values, tile.count, vw, found, diagonal, !first);
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
    float* keys = scratch_of<float>(4, kKeyTile * (2 * kw + vw + 2 * kQueryTile) + kQueryTile + kBlockTiles * tile_floats());
    float* values = keys + kKeyTile * kw;          // [words(kKeyTile), vw]
    float* scores = values + kKeyTile * vw;        // [kKeyTile, lanes], and as much for their words
    float* rows_of_q = scores + 2 * kKeyTile * kQueryTile;
    float* correction = rows_of_q + kQueryTile * kw;
    Tile tile[kBlockTiles];
    int64_t count = 0;
    for (int64_t begin = block.begin; begin < block.end; begin += kQueryTile, count++)
      tile[count] = start(correction + kQueryTile + count * tile_floats(), begin, block, head, rows_of_q);
    int64_t last_key = block.end + block.shift;
    for (int64_t key = block.first_key; key < last_key; key += kKeyTile) {
      int64_t found = smaller(kKeyTile, last_key - key);
      const T* source = kv + (key * kv_heads + kv_head) * (dn + dv);
      int64_t full = kw * Words::per_word;
      pack_rows(keys, source, kv_heads * (dn + dv), found, 0, dn, dr > 0 ? dn : full);
      if (dr > 0) pack_rows(keys, k_rope + key * k_rope_stride, k_rope_stride, found, dn, dr, full);
      tiles::pack_down(values, source + dn, kv_heads * (dn + dv), found, dv, vw, Words{});
      for (int64_t t = 0; t < count; t++)
        if (tile[t].own_key >= key) add(tile[t], keys, values, scores, correction, key, found, key == block.first_key);
    }
    for (int64_t t = 0; t < count; t++) finish(tile[t], head);
  }
};

}  // namespace

void attention_forward(void* o, float* lse, const void* q, const void* kv, const void* k_rope, const int32_t* seq_offsets,
                       const int32_t* key_offsets, int64_t sequences, int64_t rows, int64_t heads, int64_t kv_heads, int64_t dn,
                       int64_t dr, int64_t dv, int64_t k_rope_stride, float scale, int32_t type) {
  constexpr int64_t step = kQueryTile * kBlockTiles;
  std::vector<QueryBlock> blocks;
  for (int64_t s = 0; s < sequences; s++)
    for (int64_t begin = seq_offsets[s]; begin < seq_offsets[s + 1]; begin += step)
      blocks.push_back({key_offsets[s], begin, smaller(begin + step, seq_offsets[s + 1]), key_offsets[s + 1] - seq_offsets[s + 1]});
  int64_t count = int64_t(blocks.size());
  auto all = [&](auto forward) {
    // Late blocks see the most keys: they go out first.
    parallel_for(count * heads, [&](int64_t chunk) { forward.run(blocks[size_t(count - 1 - chunk / heads)], chunk % heads); });
  };
  auto run = [&](auto words, auto* out) {
    using T = std::remove_pointer_t<decltype(out)>;
    all(Forward<T, decltype(words)>{out, lse, (const T*)q, (const T*)kv, (const T*)k_rope, rows, heads, kv_heads, dn, dr, dv,
                                    k_rope_stride, scale});
  };
  if (type == BF16) run(std::conditional_t<kHasPairs, Pairs, Values>{}, (bf16*)o);
  else run(Values{}, (float*)o);
}

}  // namespace FATHOM_ISA
}  // namespace fathom
