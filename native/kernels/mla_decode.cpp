// Attention of single tokens in the latent space of MLA (DeepSeek-V2 report, section 2.1.2, with the up-projections absorbed): all heads
// of a row share the cached latent, which is read once. See kernels.h. One task is one piece of one row's sequence: its scores are a
// product of cache rows and all heads' queries, its result is a partial softmax (maximum, sum, weighted latents), and the pieces of a
// row are merged in order (flash decoding). The length of a piece follows from the row's own length, so a row alone gives the same
// bits as the row in a batch.
// Queries in bf16 over a cache in bf16 or FP8 are multiplied by bf16 dot products where the CPU has them (mla_dots.h), FP8 entries being
// rounded to bf16 a tile at a time; otherwise products are f32.
#include <atomic>
#include <type_traits>
#include <vector>

#include "attention_tiles.h"
#include "latent_entry.h"
#include "mla_dots.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int64_t kPiece = 128;      // positions a piece; more where a row would have more than kMostPieces of them
constexpr int64_t kMostPieces = 64;
constexpr int64_t kWorthSharing = 300000;  // multiply-adds (some 10 us) below which waking other threads costs more than it saves
constexpr int64_t kHeadTile = kQueryTile;
constexpr int64_t kPartialFloats = int64_t(1) << 24;  // partial results held at a time: 64 MiB, or one row

struct Piece {
  int64_t row, begin, end;  // positions
};

// How the cache is stored: f32 or bf16 values, or FP8 entries.
struct Fp8Entry {
  static constexpr int32_t type = F8_E4M3;
};
struct FloatEntry {
  static constexpr int32_t type = F32;
};
struct Bf16Entry {
  static constexpr int32_t type = BF16;
};

template <typename T, typename C>
struct Decode {
  T* o;
  const T* q;
  const uint8_t* cache;
  const int32_t *block_table, *lengths;
  int64_t heads, c, dr, page_size, max_pages;
  float scale;

  int64_t width() const { return c + dr; }
  int64_t latent_width() const { return (c + 31) / 32 * 32; }
  int64_t entry_size() const { return entry_bytes(c, dr, C::type); }
  int64_t partial_floats() const { return heads * (latent_width() + 2); }

  int64_t piece_length(int64_t length) const {
    int64_t factor = (length + kPiece * kMostPieces - 1) / (kPiece * kMostPieces);
    return kPiece * (factor > 1 ? factor : 1);
  }

  // Calls body(index, first entry, entries) for every run of positions [at, at + count) that lies within a page.
  template <typename Body>
  void for_runs(int64_t row, int64_t at, int64_t count, Body&& body) const {
    const int32_t* pages = block_table + row * max_pages;
    for (int64_t i = 0, run; i < count; i += run) {
      int64_t page = pages[(at + i) / page_size], slot = (at + i) % page_size;
      run = smaller(page_size - slot, count - i);
      body(i, cache + (page * page_size + slot) * entry_size(), run);
    }
  }

  // y[count, ldy] = the cached rows of positions [at, at + count) as f32.
  void pack_latents(float* y, int64_t ldy, int64_t row, int64_t at, int64_t count) const {
    for_runs(row, at, count, [&](int64_t i, const uint8_t* entries, int64_t run) {
      float* to = y + i * ldy;
      if constexpr (C::type == F32) tiles::pack(to, ldy, (const float*)entries, width(), run, width(), ldy);
      else if constexpr (C::type == BF16) tiles::pack(to, ldy, (const bf16*)entries, width(), run, width(), ldy);
      else
        for (int64_t r = 0; r < run; r++) {
          read_fp8_entry(to + r * ldy, entries + r * entry_size(), c, dr);
          tiles::clear(to + r * ldy + width(), ldy - width());
        }
    });
  }

  // partial: [heads, latent_width] sums, then [heads] maxima, then [heads] totals.
  void run(const Piece& piece, float* partial) const {
#if defined(FATHOM_MLA_DOTS)
    if constexpr (sizeof(T) == 2 && C::type != F32)
      if (c % 2 == 0 && dr % 2 == 0) return run_dots(piece, partial);
#endif
    int64_t kw = padded(width()) > latent_width() ? padded(width()) : latent_width(), lw = latent_width();
    float* work = scratch_of<float>(4, width() * kHeadTile + kHeadTile * kw + kKeyTile * (kw + kHeadTile) + 3 * kHeadTile);
    float* queries = work;                          // [width, lanes]
    float* rows_of_q = queries + width() * kHeadTile;
    float* keys = rows_of_q + kHeadTile * kw;       // [kKeyTile, kw], whose first c columns are also the values
    float* scores = keys + kKeyTile * kw;           // [kKeyTile, lanes]
    float* correction = scores + kKeyTile * kHeadTile;
    for (int64_t head = 0; head < heads; head += kHeadTile) {
      int64_t count = smaller(kHeadTile, heads - head), lanes = padded(count);
      RunningSoftmax softmax{correction + kHeadTile, correction + 2 * kHeadTile, lanes};
      float* sums = partial + head * lw;
      tiles::pack(rows_of_q, kw, q + (piece.row * heads + head) * width(), width(), count, width(), kw);
      tiles::transpose(queries, lanes, rows_of_q, kw, count, width(), scale);
      softmax.start();
      for (int64_t at = piece.begin; at < piece.end; at += kKeyTile) {
        int64_t found = smaller(kKeyTile, piece.end - at);
        pack_latents(keys, kw, piece.row, at, found);
        tiles::scores(scores, lanes, keys, kw, queries, found, width(), false);
        bool changed = softmax.add(scores, correction, found, false);
        bool first = at == piece.begin;
        if (changed && !first) tiles::scale_rows(sums, correction, count, lw);
        tiles::product(sums, lw, scores, 1, lanes, keys, kw, count, lw, found, !first);
      }
      for (int64_t i = 0; i < count; i++) {
        partial[heads * lw + head + i] = softmax.most[i];
        partial[heads * (lw + 1) + head + i] = softmax.total[i];
      }
    }
  }

#if defined(FATHOM_MLA_DOTS)
  // The entries of positions [at, at + count) in bf16, one after the other: in place if they lie so, else copied or decoded to `work`.
  const bf16* latents_of(int64_t row, int64_t at, int64_t count, bf16* work) const {
    const bf16* found = work;
    for_runs(row, at, count, [&](int64_t i, const uint8_t* entries, int64_t run) {
      if constexpr (C::type == BF16) {
        if (run == count) found = (const bf16*)entries;
        else memcpy(work + i * width(), entries, size_t(run * entry_size()));
      } else
        for (int64_t r = 0; r < run; r++) read_fp8_entry(work + (i + r) * width(), entries + r * entry_size(), c, dr);
    });
    return found;
  }

  void run_dots(const Piece& piece, float* partial) const {
    int64_t pairs = width() / 2, lw = latent_width(), lanes = mla_dots::kHeads, blocks = (heads + lanes - 1) / lanes;
    uint32_t* queries = scratch_of<uint32_t>(4, blocks * pairs * lanes);
    bf16* work = scratch_of<bf16>(6, kKeyTile * width() + W);
    float* scores = scratch_of<float>(7, kKeyTile * lanes * 2 + 3 * blocks * lanes);
    uint32_t* probabilities = reinterpret_cast<uint32_t*>(scores + kKeyTile * lanes);
    float* correction = scores + 2 * kKeyTile * lanes;
    for (int64_t b = 0; b < blocks; b++) {
      int64_t count = smaller(lanes, heads - b * lanes);
      mla_dots::pack_queries(queries + b * pairs * lanes, (const bf16*)q + (piece.row * heads + b * lanes) * width(), count, width());
      RunningSoftmax{correction + (3 * b + 1) * lanes, correction + (3 * b + 2) * lanes, lanes}.start();
    }
    for (int64_t at = piece.begin; at < piece.end; at += kKeyTile) {
      int64_t found = smaller(kKeyTile, piece.end - at);
      const bf16* rows = latents_of(piece.row, at, found, work);
      for (int64_t b = 0; b < blocks; b++) {
        float* factor = correction + 3 * b * lanes;
        RunningSoftmax softmax{factor + lanes, factor + 2 * lanes, lanes};
        mla_dots::scores(scores, queries + b * pairs * lanes, (const uint32_t*)rows, pairs, found, pairs, scale);
        softmax.add(scores, factor, found, false);
        mla_dots::pack_probabilities(probabilities, scores, found);
        mla_dots::add_values(partial + b * lanes * lw, lw, at == piece.begin ? nullptr : factor, probabilities, rows, width(), found,
                             smaller(lanes, heads - b * lanes), c);
      }
    }
    for (int64_t i = 0; i < heads; i++) {
      for (int64_t j = 0; j < lw; j += 32) mla_dots::in_order(partial + i * lw + j);
      const float* state = correction + 3 * (i / lanes) * lanes + i % lanes;
      partial[heads * lw + i] = state[lanes];
      partial[heads * (lw + 1) + i] = state[2 * lanes];
    }
  }
#endif

  // partials: those of one row's pieces, in order.
  void merge(int64_t row, int64_t head, const float* partials, int64_t pieces) const {
    T* out = o + (row * heads + head) * c;
    int64_t lw = latent_width();
    float most = -INFINITY, total = 0;
    for (int64_t p = 0; p < pieces; p++) {
      float m = partials[p * partial_floats() + heads * lw + head];
      most = m > most || m != m ? m : most;
    }
    float* sums = scratch_of<float>(8, lw);
    tiles::clear(sums, lw);
    for (int64_t p = 0; p < pieces; p++) {
      const float* partial = partials + p * partial_floats();
      float factor = std::exp(partial[heads * lw + head] - most);
      total += factor * partial[heads * (lw + 1) + head];
      for (int64_t j = 0; j < lw; j += W) store(sums + j, fma(splat(factor), load(partial + head * lw + j), load(sums + j)));
    }
    float share = pieces > 0 ? 1.0f / total : 0.0f;
    tiles::narrow(out, sums, c, share);
  }

  // Runs the pieces of rows [begin, end), `partials` being their results; whoever finishes a row's last piece merges the row.
  void run_all(const std::vector<Piece>& pieces, const std::vector<int64_t>& first, int64_t begin, int64_t end, float* partials) const {
    std::vector<std::atomic<int64_t>> left(size_t(end - begin));
    auto merge_row = [&](int64_t r) {
      for (int64_t h = 0; h < heads; h++)
        merge(begin + r, h, partials + first[size_t(r)] * partial_floats(), first[size_t(r + 1)] - first[size_t(r)]);
    };
    for (int64_t r = 0; r < end - begin; r++) {
      left[size_t(r)].store(first[size_t(r + 1)] - first[size_t(r)]);
      if (first[size_t(r + 1)] == first[size_t(r)]) merge_row(r);
    }
    auto task = [&](int64_t p) {
      const Piece& piece = pieces[size_t(p)];
      run(piece, partials + p * partial_floats());
      if (left[size_t(piece.row - begin)].fetch_sub(1) == 1) merge_row(piece.row - begin);
    };
    int64_t positions = 0;
    for (const Piece& piece : pieces) positions += piece.end - piece.begin;
    if (positions * heads * (width() + c) < kWorthSharing)
      for (size_t p = 0; p < pieces.size(); p++) task(int64_t(p));
    else parallel_for(int64_t(pieces.size()), task);
  }

  void all(int64_t rows) const {
    std::vector<Piece> pieces;
    std::vector<int64_t> first;
    for (int64_t begin = 0, end; begin < rows; begin = end) {
      pieces.clear();
      first.assign(1, 0);
      for (end = begin; end < rows && (end == begin || int64_t(pieces.size()) * partial_floats() < kPartialFloats); end++) {
        int64_t step = piece_length(lengths[end]);
        for (int64_t at = 0; at < lengths[end]; at += step) pieces.push_back({end, at, smaller(at + step, lengths[end])});
        first.push_back(int64_t(pieces.size()));
      }
      run_all(pieces, first, begin, end, scratch_of<float>(5, int64_t(pieces.size()) * partial_floats()));
    }
  }
};

}  // namespace

void mla_decode(void* o, const void* q, const void* cache, const int32_t* block_table, const int32_t* lengths, int64_t rows,
                int64_t heads, int64_t c, int64_t dr, int64_t page_size, int64_t max_pages, float scale, int32_t type,
                int32_t cache_type) {
  auto with_types = [&](auto* out, auto entry) {
    using T = std::remove_reference_t<decltype(*out)>;
    Decode<T, decltype(entry)>{out, (const T*)q, (const uint8_t*)cache, block_table, lengths, heads, c, dr, page_size, max_pages, scale}.all(
        rows);
  };
  auto with_entry = [&](auto* out) {
    if (cache_type == F8_E4M3) with_types(out, Fp8Entry{});
    else if (cache_type == BF16) with_types(out, Bf16Entry{});
    else with_types(out, FloatEntry{});
  };
  if (type == BF16) with_entry((bf16*)o);
  else with_entry((float*)o);
}

}  // namespace FATHOM_ISA
}  // namespace fathom
