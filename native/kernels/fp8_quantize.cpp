// To and from the stored forms of FP8 training (report 3.3.2): activations in tiles of 1 x 128 and 128 x 1, weights in blocks of 128 x 128.
// See kernels.h. A chunk holds whole tiles, and a tile's bits depend on its own values alone.
#include "../parallel.h"
#include "fp8_formats.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int64_t kChunkValues = 1 << 14;

// A run of at most kFp8Tile values of a row to f32, the places after it zero, and the largest size met.
template <typename T>
inline vi read_tile(float* run, const T* x, int64_t n) {
  vi most = {};
  int64_t i = 0;
  for (; i + W <= n; i += W) {
    vf v = load(x + i);
    most = vmax_bits(size_bits(v), most);
    store(run + i, v);
  }
  if (i < n) {
    vf v = load_part(x + i, n - i);
    most = vmax_bits(size_bits(v), most);
    store(run + i, v);
  }
  return most;
}

template <typename T>
void quantize_rows_of(uint8_t* q, float* scales, const T* x, int64_t rows, int64_t k, int32_t format, bool power_of_two,
                      float floor) {
  int64_t tiles = fp8_tiles(k), row_bytes = fp8_row_bytes(k, format);
  parallel_ranges(rows, rows_per_chunk(k, kChunkValues), [&](int64_t begin, int64_t end) {
    alignas(64) float run[kFp8Tile];
    for (int64_t r = begin; r < end; r++)
      for (int64_t t = 0; t < tiles; t++) {
        int64_t at = t * kFp8Tile, n = k - at < kFp8Tile ? k - at : kFp8Tile;
        float scale = fp8_scale(largest_bits(read_tile(run, x + r * k + at, n)), power_of_two, floor);
        scales[r * tiles + t] = scale;
        fp8_encode(q + r * row_bytes, run, scale, at, n, format);
      }
  });
}

template <typename T>
void dequantize_rows_of(T* y, const uint8_t* q, const float* scales, int64_t rows, int64_t k, int32_t format) {
  int64_t tiles = fp8_tiles(k), row_bytes = fp8_row_bytes(k, format);
  parallel_ranges(rows, rows_per_chunk(k, kChunkValues), [&](int64_t begin, int64_t end) {
    alignas(64) float run[kFp8Tile + W];
    for (int64_t r = begin; r < end; r++)
      for (int64_t t = 0; t < tiles; t++) {
        int64_t at = t * kFp8Tile, n = k - at < kFp8Tile ? k - at : kFp8Tile;
        fp8_decode(run, q + r * row_bytes, at, n, format);
        vf scale = splat(scales[r * tiles + t]);
        for_lanes(n, [&](int64_t i, auto lane) { lane.store(y + r * k + at + i, lane.load(run + i) * scale); });
      }
  });
}

// Calls body(first row, rows, row of scales, first column, columns) for every piece of at most 128 rows of one expert and `width` columns.
template <typename Body>
void for_pieces(const int32_t* offsets, int64_t groups, int64_t k, int64_t width, Body&& body) {
  int64_t most = groups > 0 ? fp8_tiles(offsets[groups]) + groups : 0, tiles = 0, strips = (k + width - 1) / width;
  struct Piece {
    int64_t first, rows, scales;
  };
  Piece* pieces = scratch_of<Piece>(0, most + 1);
  for (int64_t e = 0; e < groups; e++)
    for (int64_t i = 0, r = offsets[e]; r < offsets[e + 1]; i++, r += kFp8Tile) {
      int64_t rows = offsets[e + 1] - r;
      pieces[tiles++] = {r, rows < kFp8Tile ? rows : kFp8Tile, offsets[e] / kFp8Tile + e + i};
    }
  parallel_for(tiles * strips, [&](int64_t chunk) {
    const Piece& piece = pieces[chunk / strips];
    int64_t at = chunk % strips * width;
    body(piece.first, piece.rows, piece.scales, at, k - at < width ? k - at : width);
  });
}

constexpr int kTileVectors = int(kFp8Tile / W);
constexpr int64_t kStrip = 512;  // columns of 128 rows that fit the second-level cache and are long runs of memory ...
constexpr int64_t kPiecesPerThread = 4;  // ... or fewer, if that many threads would have too little to do

// The piece's values to `values` [rows, kFp8Tile], zeros after each row's end to whole vectors, and per column the largest size.
template <typename Read>
inline void read_piece(float* values, vi* most, int64_t rows, int64_t n, Read&& read) {
  for (int v = 0; v < kTileVectors; v++) most[v] = vi{};
  int64_t vectors = (n + W - 1) / W;
  for (int64_t r = 0; r < rows; r++) {
    float* run = values + r * kFp8Tile;
    read(run, r);
    for (int64_t v = 0; v < vectors; v++) most[v] = vmax_bits(size_bits(load(run + v * W)), most[v]);
  }
}

void encode_block(uint8_t* q, const float* values, float scale, int64_t rows, int64_t n, int64_t k) {
  for (int64_t r = 0; r < rows; r++) fp8_encode(q + r * k, values + r * kFp8Tile, scale, 0, n, F8_E4M3);
}

// Of a piece of kFp8Tile columns.
int32_t largest_of(const vi* most) {
  vi all = most[0];
  for (int v = 1; v < kTileVectors; v++) all = vmax_bits(all, most[v]);
  return largest_bits(all);
}

// Rows of x of whatever type, in f32.
struct Rows {
  const void* x;
  const float* scales;
  int32_t type;
  int64_t k;

  // Values [at, at + n) of a row, `at` a multiple of kFp8Tile; the places after them to whole vectors are zero.
  void read(float* run, int64_t row, int64_t at, int64_t n) const {
    if (type == F32) read_tile(run, static_cast<const float*>(x) + row * k + at, n);
    else if (type == BF16) read_tile(run, static_cast<const bf16*>(x) + row * k + at, n);
    else {
      const uint8_t* from = static_cast<const uint8_t*>(x) + row * fp8_row_bytes(k, type);
      for (int64_t i = 0; i < n; i += kFp8Tile) {
        int64_t here = n - i < kFp8Tile ? n - i : kFp8Tile;
        fp8_decode(run + i, from, at + i, here, type);
        vf scale = splat(scales[row * fp8_tiles(k) + (at + i) / kFp8Tile]);
        for (int64_t j = i; j < i + here; j += W) store(run + j, load(run + j) * scale);
      }
      for (int64_t i = n; i % W != 0; i++) run[i] = 0;
    }
  }
};

// A piece of at most kStrip columns, read once for the largest sizes and once more to be encoded: both times row by row, as memory likes it.
void encode_columns(uint8_t* q, float* scales, const Rows& x, int64_t first, int64_t rows, int64_t at, int64_t n, bool power_of_two,
                    float floor) {
  alignas(64) float run[kStrip], scale[kStrip];
  alignas(64) vf inverse[kStrip / W];
  vi most[kStrip / W] = {};
  int64_t vectors = (n + W - 1) / W;
  for (int64_t r = 0; r < rows; r++) {
    x.read(run, first + r, at, n);
    for (int64_t v = 0; v < vectors; v++) most[v] = vmax_bits(size_bits(load(run + v * W)), most[v]);
  }
  vi largest = {};
  for (int64_t v = 0; v < vectors; v++) {
    store(scale + v * W, fp8_scales(most[v], power_of_two, floor));
    inverse[v] = splat(1.0f) / load(scale + v * W);
    largest = vmax_bits(most[v], largest);
  }
  memcpy(scales, scale, size_t(n) * 4);
  bool is_finite = largest_bits(largest) < 0x7f800000;
  for (int64_t r = 0; r < rows; r++, q += x.k) {
    x.read(run, first + r, at, n);
    for (int64_t v = 0; v < vectors; v++) {
      Divider divided{load(scale + v * W), inverse[v]};
      int64_t left = n - v * W;
      uint8_t part[W], *to = left >= W ? q + v * W : part;
      if (is_finite) fp8_encode_bounded(to, divided, load(run + v * W));
      else Float8::encode(to, divided(load(run + v * W)));
      if (to == part) memcpy(q + v * W, part, size_t(left));
    }
  }
}

}  // namespace

void fp8_quantize_rows(void* q, float* scales, const void* x, int64_t rows, int64_t k, int32_t format, int32_t power_of_two,
                       float floor, int32_t x_type) {
  uint8_t* bytes = static_cast<uint8_t*>(q);
  if (x_type == BF16) quantize_rows_of(bytes, scales, static_cast<const bf16*>(x), rows, k, format, power_of_two != 0, floor);
  else quantize_rows_of(bytes, scales, static_cast<const float*>(x), rows, k, format, power_of_two != 0, floor);
}

void fp8_dequantize_rows(void* y, const void* q, const float* scales, int64_t rows, int64_t k, int32_t format, int32_t y_type) {
  const uint8_t* bytes = static_cast<const uint8_t*>(q);
  if (y_type == BF16) dequantize_rows_of(static_cast<bf16*>(y), bytes, scales, rows, k, format);
  else dequantize_rows_of(static_cast<float*>(y), bytes, scales, rows, k, format);
}

void fp8_quantize_columns(void* q, float* scales, const void* x, const float* x_scales, const int32_t* offsets, int64_t groups, int64_t k,
                          int32_t power_of_two, float floor, int32_t x_type) {
  Rows all{x, x_scales, x_type, k};
  int64_t width = kStrip, tiles = groups > 0 ? fp8_tiles(offsets[groups]) : 0;
  while (width > kFp8Tile && tiles * ((k + width - 1) / width) < kPiecesPerThread * threads()) width /= 2;
  for_pieces(offsets, groups, k, width, [&](int64_t first, int64_t rows, int64_t scale_row, int64_t at, int64_t n) {
    encode_columns(static_cast<uint8_t*>(q) + first * k + at, scales + scale_row * k + at, all, first, rows, at, n, power_of_two != 0, floor);
  });
}

void fp8_quantize_gradient_blocks(void* q, float* scales, const void* x, const int32_t* offsets, int64_t groups, int64_t k,
                                  int32_t power_of_two, float floor, int32_t x_type) {
  Rows all{x, nullptr, x_type, k};
  int64_t tiles = fp8_tiles(k);
  for_pieces(offsets, groups, k, kFp8Tile, [&](int64_t first, int64_t rows, int64_t, int64_t at, int64_t n) {
    float* values = scratch_of<float>(1, kFp8Tile * kFp8Tile);
    vi most[kTileVectors];
    read_piece(values, most, rows, n, [&](float* run, int64_t r) { all.read(run, first + r, at, n); });
    float scale = fp8_scale(largest_of(most), power_of_two != 0, floor);
    for (int64_t r = 0; r < rows; r++) scales[(first + r) * tiles + at / kFp8Tile] = scale;
    encode_block(static_cast<uint8_t*>(q) + first * k + at, values, scale, rows, n, k);
  });
}

void fp8_quantize_weights(void* q, float* scales, float* row_scales, const float* w, int64_t groups, int64_t n, int64_t k) {
  int64_t down = fp8_tiles(n), across = fp8_tiles(k);
  parallel_for(groups * down * across, [&](int64_t chunk) {
    int64_t group = chunk / (down * across), block = chunk % (down * across);
    int64_t top = block / across * kFp8Tile, at = block % across * kFp8Tile;
    int64_t rows = n - top < kFp8Tile ? n - top : kFp8Tile, columns = k - at < kFp8Tile ? k - at : kFp8Tile;
    int64_t first = (group * n + top) * k + at;
    float* values = scratch_of<float>(1, kFp8Tile * kFp8Tile);
    vi most[kTileVectors];
    read_piece(values, most, rows, columns, [&](float* run, int64_t r) { read_tile(run, w + first + r * k, columns); });
    int32_t largest = largest_of(most);
    float scale = largest == 0 ? 1.0f : fp8_scale(largest, false, 0x1p-100f);
    scales[chunk] = scale;
    encode_block(static_cast<uint8_t*>(q) + first, values, scale, rows, columns, k);
    if (!row_scales) return;
    for (int64_t r = 0; r < rows; r++) row_scales[(group * n + top + r) * across + at / kFp8Tile] = scale;
  });
}

}  // namespace FATHOM_ISA
}  // namespace fathom
