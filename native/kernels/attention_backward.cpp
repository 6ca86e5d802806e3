// Causal attention backward. See kernels.h. The probabilities are recomputed from lse (Dao et al. 2022):
//   delta = rowsum(do * o), p = exp(scale * q k^T - lse), dp = do v^T, ds = p * (dp - delta)
//   dv = p^T do, dk = scale * ds^T q, dq = scale * ds k.
// One task is one key-value head of one sequence: it walks blocks of query tiles, and for each the key tiles up to the diagonal, adding
// into f32 sums of dk and dv that it alone owns. dk_rope sums over heads: every task keeps its own part, and the parts of kWave heads
// at a time are added in the order of the heads.
#include <type_traits>

#include "attention_tiles.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int64_t kWave = 16;       // key-value heads whose parts of dk_rope are in memory together
constexpr int64_t kRowsAChunk = 64;  // rows of dk_rope added up by one chunk

template <typename T, typename Words>
struct Backward {
  using Element = typename Words::Element;
  T *dq, *dkv, *dk_rope;
  const T *d_o, *q, *kv, *k_rope, *o;
  const float* lse;
  int64_t rows, heads, kv_heads, dn, dr, dv, k_rope_stride, dk_rope_stride;
  float scale;

  int64_t d() const { return dn + dr; }
  int64_t key_width() const { return padded(d()); }
  int64_t value_width() const { return padded(dv); }
  int64_t row_width(int64_t values) const { return padded(Words::words(values)); }  // words of a row of keys or values
  // f32 queries are scaled as they are packed; bf16 would be rounded, so there the scores are.
  static constexpr bool kScalesQueries = Words::per_word == 1;

  // A query tile, packed, with the sum of its gradients.
  struct Tile {
    int64_t begin, count, lanes;
    float *queries, *queries_t;  // words along the queries [words(count), kw]; [words(d), lanes]
    float *grads, *grads_t;      // do: [words(count), vw]; [words(dv), lanes]
    float* dqueries;             // [count, kw]
    float *log_sums, *delta;     // [lanes]
  };

  int64_t tile_floats() const { return kQueryTile * (2 * key_width() + value_width() + Words::words(d()) + Words::words(dv) + 2); }

  // Columns [at, at + width) of rows of `ld` words, and zeros up to their end if this is the last part.
  void pack_rows(float* rows, int64_t ld, const T* x, int64_t ldx, int64_t count, int64_t at, int64_t width, bool last) const {
    int64_t values = ld * Words::per_word;
    tiles::pack(reinterpret_cast<Element*>(rows) + at, values, x, ldx, count, width, last ? values - at : width);
  }

  // The words of x [count, width] along its rows, transposed: [words(width), lanes]. `down` holds the rows already if words are values.
  void pack_transposed(float* y, int64_t lanes, float* down, float* memory, const T* x, int64_t ldx, int64_t count, int64_t width,
                       float factor) const {
    int64_t ld = row_width(width);
    if (Words::per_word > 1) pack_rows(memory, ld, x, ldx, count, 0, width, true);
    tiles::transpose<Words>(y, lanes, Words::per_word > 1 ? memory : down, ld, count, Words::words(width), factor);
  }

  Tile start(float* memory, float* rows_memory, int64_t begin, int64_t end, int64_t head) const {
    int64_t kw = key_width(), vw = value_width(), count = smaller(kQueryTile, end - begin);
    Tile t{begin, count, padded(count), memory, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr};
    t.dqueries = t.queries + kQueryTile * kw;
    t.grads = t.dqueries + kQueryTile * kw;
    t.queries_t = t.grads + kQueryTile * vw;
    t.grads_t = t.queries_t + kQueryTile * Words::words(d());
    t.log_sums = t.grads_t + kQueryTile * Words::words(dv);
    t.delta = t.log_sums + kQueryTile;
    const T *from_q = q + (begin * heads + head) * d(), *from_do = d_o + (begin * heads + head) * dv;
    tiles::pack_down(t.queries, from_q, heads * d(), count, d(), kw, Words{});
    tiles::pack_down(t.grads, from_do, heads * dv, count, dv, vw, Words{});
    pack_transposed(t.queries_t, t.lanes, t.queries, rows_memory, from_q, heads * d(), count, d(), scale);
    pack_transposed(t.grads_t, t.lanes, t.grads, rows_memory, from_do, heads * dv, count, dv, 1.0f);
    for (int64_t i = 0; i < t.lanes; i++) t.log_sums[i] = 0, t.delta[i] = 0;
    for (int64_t i = 0; i < count; i++) {
      const T* out = o + ((begin + i) * heads + head) * dv;
      const T* grad = from_do + i * heads * dv;
      t.log_sums[i] = lse[head * rows + begin + i];
      t.delta[i] = sum_lanes(dv, [&](int64_t j, auto lane) { return lane.load(out + j) * lane.load(grad + j); });
    }
    return t;
  }

  // A key tile, packed: words along the rows, for the scores, and words down the keys, for the queries' gradients. The same if words
  // are values.
  struct Keys {
    float *keys, *values;  // [kKeyTile, row_width(d)], [kKeyTile, row_width(dv)]
    float* down;           // [words(kKeyTile), kw]
  };

  void pack_keys(const Keys& to, int64_t key, int64_t found, int64_t kv_head) const {
    int64_t stride = kv_heads * (dn + dv), kw = key_width();
    const T *source = kv + (key * kv_heads + kv_head) * (dn + dv), *rope = k_rope + key * k_rope_stride;
    pack_rows(to.keys, row_width(d()), source, stride, found, 0, dn, dr == 0);
    if (dr > 0) pack_rows(to.keys, row_width(d()), rope, k_rope_stride, found, dn, dr, true);
    pack_rows(to.values, row_width(dv), source + dn, stride, found, 0, dv, true);
    if constexpr (Words::per_word > 1) {
      // Down the packed rows, where the two parts of a key are one.
      const Element* rows = reinterpret_cast<const Element*>(to.keys);
      tiles::pack_down(to.down, rows, row_width(d()) * Words::per_word, found, d(), kw, Words{});
    }
  }

  // The part of one query tile and one key tile: adds to dvalues and dkeys [found, ...], writes or adds to the tile's dqueries.
  void add(const Tile& t, const Keys& k, float* dkeys, float* dvalues, float* p, int64_t key, int64_t found, bool first) const {
    int64_t kw = key_width(), vw = value_width();
    bool diagonal = key == t.begin;
    float *ds = p + kKeyTile * kQueryTile, *words = ds + kKeyTile * kQueryTile;
    tiles::scores<Words>(p, t.lanes, k.keys, row_width(d()), t.queries_t, found, Words::words(d()), diagonal);
    tiles::scores<Words>(ds, t.lanes, k.values, row_width(dv), t.grads_t, found, Words::words(dv), diagonal);
    score_gradients(p, ds, t.log_sums, t.delta, found, t.lanes, diagonal);
    const float* along = tiles::along_lanes(words, p, t.lanes, found, diagonal, Words{});
    tiles::sum_queries<Words>(dvalues, along, t.lanes, t.grads, found, vw, t.count, diagonal);
    along = tiles::along_lanes(words, ds, t.lanes, found, diagonal, Words{});
    tiles::sum_queries<Words>(dkeys, along, t.lanes, t.queries, found, kw, t.count, diagonal);
    along = tiles::along_keys(words, ds, t.lanes, found, diagonal, Words{});
    tiles::sum_keys<Words>(t.dqueries, along, t.lanes, Words::per_word > 1 ? k.down : k.keys, t.count, kw, found, diagonal, !first);
  }

  // One block of query tiles of a head against all its keys; `first` is the sequence's first row, where dkeys and dvalues begin.
  void query_block(int64_t first, int64_t begin, int64_t end, int64_t head, float* dkeys, float* dvalues) const {
    int64_t kw = key_width(), vw = value_width(), kv_head = head / (heads / kv_heads);
    int64_t rows_floats = kKeyTile * (kw > vw ? kw : vw);
    float* rows_memory = scratch_of<float>(4, rows_floats + kKeyTile * (2 * kw + vw + 3 * kQueryTile) + kBlockTiles * tile_floats());
    Keys k{rows_memory + rows_floats, nullptr, nullptr};
    k.values = k.keys + kKeyTile * kw;
    k.down = k.values + kKeyTile * vw;
    float* p = k.down + kKeyTile * kw;  // scores, their gradients, and either as words: [kKeyTile, lanes]
    float* memory = p + 3 * kKeyTile * kQueryTile;
    Tile tile[kBlockTiles];
    int64_t count = 0;
    for (int64_t at = begin; at < end; at += kQueryTile, count++)
      tile[count] = start(memory + count * tile_floats(), rows_memory, at, end, head);
    for (int64_t key = first; key < end; key += kKeyTile) {
      int64_t found = smaller(kKeyTile, end - key);
      pack_keys(k, key, found, kv_head);
      for (int64_t t = 0; t < count; t++)
        if (tile[t].begin >= key) add(tile[t], k, dkeys + (key - first) * kw, dvalues + (key - first) * vw, p, key, found, key == first);
    }
    for (int64_t t = 0; t < count; t++)
      for (int64_t i = 0; i < tile[t].count; i++)
        tiles::narrow(dq + ((tile[t].begin + i) * heads + head) * d(), tile[t].dqueries + i * kw, d(), scale);
  }

  // One key-value head of one sequence. rope_part [rows, dr] is this head's part of dk_rope.
  void run(int64_t begin, int64_t end, int64_t kv_head, float* rope_part) const {
    int64_t kw = key_width(), vw = value_width(), length = end - begin, group = heads / kv_heads;
    if (length == 0) return;
    float* dkeys = scratch_of<float>(5, length * (kw + vw));
    float* dvalues = dkeys + length * kw;
    tiles::clear(dkeys, length * (kw + vw));
    for (int64_t head = kv_head * group; head < (kv_head + 1) * group; head++)
      for (int64_t at = begin; at < end; at += kQueryTile * kBlockTiles)
        query_block(begin, at, smaller(at + kQueryTile * kBlockTiles, end), head, dkeys, dvalues);
    for (int64_t i = 0; i < length; i++) {
      T* out = dkv + ((begin + i) * kv_heads + kv_head) * (dn + dv);
      tiles::narrow(out, dkeys + i * kw, dn, scale);
      tiles::narrow(out + dn, dvalues + i * vw, dv, 1.0f);
      if (dr > 0) tiles::narrow(rope_part + (begin + i) * dr, dkeys + i * kw + dn, dr, scale);
    }
  }

  // p: scores to probabilities; ds: dp to gradients of the scaled scores.
  void score_gradients(float* p, float* ds, const float* log_sums, const float* delta, int64_t keys, int64_t lanes,
                       bool diagonal) const {
    for (int64_t j = 0; j < lanes; j += W) {
      vf log_sum = load(log_sums + j), mean = load(delta + j);
      vi lane = lane_numbers(j);
      int64_t n = diagonal ? smaller(keys, (j / kGroup + 1) * kGroup) : keys;
      for (int64_t i = 0; i < n; i++) {
        vf score = load(p + i * lanes + j);
        vf x = exp_negative((kScalesQueries ? score : score * scale) - log_sum);
        if (diagonal) x = lane >= int32_t(i) ? x : zero();
        store(p + i * lanes + j, x);
        store(ds + i * lanes + j, x * (load(ds + i * lanes + j) - mean));
      }
    }
  }

  void all(const int32_t* seq_offsets, int64_t sequences) const {
    float* parts = scratch_of<float>(6, kWave * rows * dr);
    float* sums = scratch_of<float>(7, rows * dr);
    for (int64_t wave = 0; wave < kv_heads; wave += kWave) {
      int64_t here = smaller(kWave, kv_heads - wave);
      parallel_for(sequences * here, [&](int64_t chunk) {
        int64_t s = chunk / here, h = chunk % here;
        run(seq_offsets[s], seq_offsets[s + 1], wave + h, parts + h * rows * dr);
      });
      if (dr == 0) continue;
      int64_t covered = sequences > 0 ? seq_offsets[sequences] : 0;
      parallel_ranges(covered, kRowsAChunk, [&](int64_t begin, int64_t end) {
        for (int64_t h = 0; h < here; h++) {
          const float* part = parts + h * rows * dr;
          for_lanes((end - begin) * dr, [&](int64_t i, auto lane) {
            vf x = lane.load(part + begin * dr + i);
            float* to = sums + begin * dr + i;
            lane.store(to, wave + h == 0 ? x : lane.load(to) + x);
          });
        }
        if (wave + kWave < kv_heads) return;
        for (int64_t r = begin; r < end; r++) tiles::narrow(dk_rope + r * dk_rope_stride, sums + r * dr, dr, 1.0f);
      });
    }
  }
};

}  // namespace

void attention_backward(void* dq, void* dkv, void* dk_rope, const void* d_o, const void* q, const void* kv, const void* k_rope,
                        const void* o, const float* lse, const int32_t* seq_offsets, int64_t sequences, int64_t rows,
                        int64_t heads, int64_t kv_heads, int64_t dn, int64_t dr, int64_t dv, int64_t k_rope_stride,
                        int64_t dk_rope_stride, float scale, int32_t type) {
  auto run = [&](auto words, auto* out) {
    using T = std::remove_pointer_t<decltype(out)>;
    Backward<T, decltype(words)>{out, (T*)dkv, (T*)dk_rope, (const T*)d_o, (const T*)q, (const T*)kv, (const T*)k_rope, (const T*)o, lse,
                                 rows, heads, kv_heads, dn, dr, dv, k_rope_stride, dk_rope_stride, scale}
        .all(seq_offsets, sequences);
  };
  if (type == BF16) run(std::conditional_t<kHasPairs, Pairs, Values>{}, (bf16*)dq);
  else run(Values{}, (float*)dq);
}

}  // namespace FATHOM_ISA
}  // namespace fathom
