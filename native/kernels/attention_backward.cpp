// Causal attention backward. See kernels.h. The probabilities are recomputed from lse (Dao et al. 2022):
//   delta = rowsum(do * o), p = exp(scale * q k^T - lse), dp = do v^T, ds = p * (dp - delta)
//   dv = p^T do, dk = ds^T (scale * q), dq = scale * (ds k).
// One task is one key-value head of one sequence: it walks its query tiles, and for each the key tiles up to the diagonal, adding into
// f32 sums of dk and dv that it alone owns. dk_rope sums over heads: every task keeps its own part, and the parts of kWave heads at a
// time are added in the order of the heads.
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

  // rope_part [rows, dr] is this head's part of dk_rope.
  void run(int64_t begin, int64_t end, int64_t kv_head, float* rope_part) const {
    int64_t kw = key_width(), vw = value_width(), length = end - begin, group = heads / kv_heads;
    if (length == 0) return;
    float* dkeys = scratch_of<float>(5, length * (kw + vw));
    float* dvalues = dkeys + length * kw;
    tiles::clear(dkeys, length * (kw + vw));
    for (int64_t head = kv_head * group; head < (kv_head + 1) * group; head++)
      for (int64_t at = begin; at < end; at += kQueryTile)
        query_tile(begin, at, smaller(at + kQueryTile, end), head, kv_head, dkeys, dvalues);
    for (int64_t i = 0; i < length; i++) {
      T* out = dkv + ((begin + i) * kv_heads + kv_head) * (dn + dv);
      tiles::narrow(out, dkeys + i * kw, dn);
      tiles::narrow(out + dn, dvalues + i * vw, dv);
      if (dr > 0) tiles::widen(rope_part + (begin + i) * dr, dkeys + i * kw + dn, dr);
    }
  }

  void query_tile(int64_t first, int64_t begin, int64_t end, int64_t head, int64_t kv_head, float* dkeys, float* dvalues) const {
    int64_t kw = key_width(), vw = value_width(), count = end - begin, lanes = padded(count);
    float* work = scratch_of<float>(
        4, kQueryTile * (3 * kw + 2 * vw + d() + dv + 2) + kKeyTile * (kw + vw + 2 * kQueryTile));
    float* queries = work;                             // [kQueryTile, kw], scaled
    float* queries_t = queries + kQueryTile * kw;      // [d, lanes]
    float* grads = queries_t + kQueryTile * d();       // [kQueryTile, vw], do
    float* grads_t = grads + kQueryTile * vw;          // [dv, lanes]
    float* dqueries = grads_t + kQueryTile * dv;       // [kQueryTile, kw]
    float* log_sums = dqueries + kQueryTile * kw;      // [lanes]
    float* delta = log_sums + kQueryTile;              // [lanes]
    float* keys = delta + kQueryTile;                  // [kKeyTile, kw]
    float* values = keys + kKeyTile * kw;              // [kKeyTile, vw]
    float* p = values + kKeyTile * vw;                 // [kKeyTile, lanes]
    float* ds = p + kKeyTile * kQueryTile;             // [kKeyTile, lanes]

    tiles::pack(queries, kw, q + (begin * heads + head) * d(), heads * d(), count, d(), scale);
    tiles::pack(grads, vw, d_o + (begin * heads + head) * dv, heads * dv, count, dv);
    tiles::transpose(queries_t, lanes, queries, kw, count, d());
    tiles::transpose(grads_t, lanes, grads, vw, count, dv);
    for (int64_t i = 0; i < lanes; i++) log_sums[i] = 0, delta[i] = 0;
    for (int64_t i = 0; i < count; i++) {
      const T* out = o + ((begin + i) * heads + head) * dv;
      const float* grad = grads + i * vw;
      log_sums[i] = lse[head * rows + begin + i];
      delta[i] = sum_lanes(dv, [&](int64_t j, auto lane) { return lane.load(out + j) * lane.load(grad + j); });
    }
    for (int64_t key = first; key < end; key += kKeyTile) {
      int64_t found = smaller(kKeyTile, end - key);
      const T* source = kv + (key * kv_heads + kv_head) * (dn + dv);
      for (int64_t i = 0; i < found; i++) {
        tiles::widen(keys + i * kw, source + i * kv_heads * (dn + dv), dn);
        if (dr > 0) tiles::widen(keys + i * kw + dn, k_rope + (key + i) * k_rope_stride, dr);
        tiles::clear(keys + i * kw + d(), kw - d());
      }
      tiles::pack(values, vw, source + dn, kv_heads * (dn + dv), found, dv);
      bool diagonal = key == begin;
      tiles::scores(p, lanes, keys, kw, queries_t, found, d(), diagonal);
      tiles::scores(ds, lanes, values, vw, grads_t, found, dv, diagonal);
      score_gradients(p, ds, log_sums, delta, found, lanes, diagonal);
      tiles::sum_queries(dvalues + (key - first) * vw, p, lanes, grads, found, vw, count, diagonal);
      tiles::sum_queries(dkeys + (key - first) * kw, ds, lanes, queries, found, kw, count, diagonal);
      tiles::sum_keys(dqueries, ds, lanes, keys, count, kw, found, diagonal, key > first);
    }
    for (int64_t i = 0; i < count; i++) {
      T* out = dq + ((begin + i) * heads + head) * d();
      const float* from = dqueries + i * kw;
      for_lanes(d(), [&](int64_t j, auto lane) { lane.store(out + j, lane.load(from + j) * scale); });
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
        for (int64_t r = begin; r < end; r++) tiles::narrow(dk_rope + r * dk_rope_stride, sums + r * dr, dr);
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
