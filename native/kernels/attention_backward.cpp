// Causal attention backward. See kernels.h. The probabilities are recomputed from lse (Dao et al. 2022):
//   delta = rowsum(do * o), p = exp(scale * q k^T - lse), dp = do v^T, ds = p * (dp - delta)
//   dv = p^T do, dk = scale * ds^T q, dq = scale * ds k.
// One task is one key-value head of one sequence: it walks blocks of query tiles, and for each the key tiles up to the diagonal, adding
// into f32 sums of dk and dv that it alone owns. dk_rope sums over heads: every task keeps its own part, and the parts of kWave heads
// at a time are added in the order of the heads.
#include "attention_tiles.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int64_t kWave = 16;       // key-value heads whose parts of dk_rope are in memory together
constexpr int64_t kRowsAChunk = 64;  // rows of dk_rope added up by one chunk

template <typename T>
struct Backward {
  T *dq, *dkv, *dk_rope;
  const T *d_o, *q, *kv, *k_rope, *o;
  const float* lse;
  int64_t rows, heads, kv_heads, dn, dr, dv, k_rope_stride, dk_rope_stride;
  float scale;

  int64_t d() const { return dn + dr; }
  int64_t key_width() const { return padded(d()); }
  int64_t value_width() const { return padded(dv); }

  // A query tile, packed, with the sum of its gradients.
  struct Tile {
    int64_t begin, count, lanes;
    float *queries, *queries_t;  // [count, kw]; [d, lanes], scaled
    float *grads, *grads_t;      // do: [count, vw]; [dv, lanes]
    float* dqueries;             // [count, kw]
    float *log_sums, *delta;     // [lanes]
  };

  int64_t tile_floats() const { return kQueryTile * (2 * key_width() + value_width() + d() + dv + 2); }

  Tile start(float* memory, int64_t begin, int64_t end, int64_t head) const {
    int64_t kw = key_width(), vw = value_width(), count = smaller(kQueryTile, end - begin);
    Tile t{begin, count, padded(count), memory, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr};
    t.dqueries = t.queries + kQueryTile * kw;
    t.grads = t.dqueries + kQueryTile * kw;
    t.queries_t = t.grads + kQueryTile * vw;
    t.grads_t = t.queries_t + kQueryTile * d();
    t.log_sums = t.grads_t + kQueryTile * dv;
    t.delta = t.log_sums + kQueryTile;
    tiles::pack(t.queries, kw, q + (begin * heads + head) * d(), heads * d(), count, d(), kw);
    tiles::pack(t.grads, vw, d_o + (begin * heads + head) * dv, heads * dv, count, dv, vw);
    tiles::transpose(t.queries_t, t.lanes, t.queries, kw, count, d(), scale);
    tiles::transpose(t.grads_t, t.lanes, t.grads, vw, count, dv, 1.0f);
    for (int64_t i = 0; i < t.lanes; i++) t.log_sums[i] = 0, t.delta[i] = 0;
    for (int64_t i = 0; i < count; i++) {
      const T* out = o + ((begin + i) * heads + head) * dv;
      const float* grad = t.grads + i * vw;
      t.log_sums[i] = lse[head * rows + begin + i];
      t.delta[i] = sum_lanes(dv, [&](int64_t j, auto lane) { return lane.load(out + j) * lane.load(grad + j); });
    }
    return t;
  }

  // The part of one query tile and one key tile: adds to dvalues and dkeys [found, ...], writes or adds to the tile's dqueries.
  void add(const Tile& t, const float* keys, const float* values, float* dkeys, float* dvalues, float* p, float* ds, int64_t key,
           int64_t found, bool first) const {
    int64_t kw = key_width(), vw = value_width();
    bool diagonal = key == t.begin;
    tiles::scores(p, t.lanes, keys, kw, t.queries_t, found, d(), diagonal);
    tiles::scores(ds, t.lanes, values, vw, t.grads_t, found, dv, diagonal);
    score_gradients(p, ds, t.log_sums, t.delta, found, t.lanes, diagonal);
    tiles::sum_queries(dvalues, p, t.lanes, t.grads, found, vw, t.count, diagonal);
    tiles::sum_queries(dkeys, ds, t.lanes, t.queries, found, kw, t.count, diagonal);
    tiles::sum_keys(t.dqueries, ds, t.lanes, keys, t.count, kw, found, diagonal, !first);
  }

  // One block of query tiles of a head against all its keys; `first` is the sequence's first row, where dkeys and dvalues begin.
  void query_block(int64_t first, int64_t begin, int64_t end, int64_t head, float* dkeys, float* dvalues) const {
    int64_t kw = key_width(), vw = value_width(), kv_head = head / (heads / kv_heads);
    float* keys = scratch_of<float>(4, kKeyTile * (kw + vw + 2 * kQueryTile) + kBlockTiles * tile_floats());
    float* values = keys + kKeyTile * kw;     // [kKeyTile, vw]
    float* p = values + kKeyTile * vw;        // [kKeyTile, lanes]
    float* ds = p + kKeyTile * kQueryTile;    // [kKeyTile, lanes]
    float* memory = ds + kKeyTile * kQueryTile;
    Tile tile[kBlockTiles];
    int64_t count = 0;
    for (int64_t at = begin; at < end; at += kQueryTile, count++) tile[count] = start(memory + count * tile_floats(), at, end, head);
    for (int64_t key = first; key < end; key += kKeyTile) {
      int64_t found = smaller(kKeyTile, end - key);
      const T* source = kv + (key * kv_heads + kv_head) * (dn + dv);
      tiles::pack(keys, kw, source, kv_heads * (dn + dv), found, dn, dr > 0 ? dn : kw);
      if (dr > 0) tiles::pack(keys + dn, kw, k_rope + key * k_rope_stride, k_rope_stride, found, dr, kw - dn);
      tiles::pack(values, vw, source + dn, kv_heads * (dn + dv), found, dv, vw);
      for (int64_t t = 0; t < count; t++)
        if (tile[t].begin >= key)
          add(tile[t], keys, values, dkeys + (key - first) * kw, dvalues + (key - first) * vw, p, ds, key, found, key == first);
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
        vf x = exp_negative(load(p + i * lanes + j) - log_sum);
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
  if (type == BF16)
    Backward<bf16>{(bf16*)dq, (bf16*)dkv, (bf16*)dk_rope, (const bf16*)d_o, (const bf16*)q, (const bf16*)kv, (const bf16*)k_rope,
                   (const bf16*)o, lse, rows, heads, kv_heads, dn, dr, dv, k_rope_stride, dk_rope_stride, scale}
        .all(seq_offsets, sequences);
  else
    Backward<float>{(float*)dq, (float*)dkv, (float*)dk_rope, (const float*)d_o, (const float*)q, (const float*)kv,
                    (const float*)k_rope, (const float*)o, lse, rows, heads, kv_heads, dn, dr, dv, k_rope_stride, dk_rope_stride,
                    scale}
        .all(seq_offsets, sequences);
}

}  // namespace FATHOM_ISA
}  // namespace fathom
