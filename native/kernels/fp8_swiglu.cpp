// SwiGLU between FP8 linears: the result leaves quantised, and the inputs are kept in FP8 for the backward, which computes the result anew
// (report 3.3.3; training.md C5). See kernels.h. Gate and up are quantised in tiles of their own.
#include "../parallel.h"
#include "fp8_formats.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int64_t kChunkValues = 1 << 13;

// Calls body(row, tile, first column, columns) for every tile of 128 of the width.
template <typename Body>
void for_tiles(int64_t rows, int64_t width, Body&& body) {
  int64_t tiles = fp8_tiles(width);
  parallel_ranges(rows, rows_per_chunk(width, kChunkValues), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++)
      for (int64_t t = 0; t < tiles; t++) {
        int64_t at = t * kFp8Tile, left = width - at;
        body(r, t, at, left < kFp8Tile ? left : kFp8Tile);
      }
  });
}

template <typename T>
void forward(uint8_t* h, float* h_scales, uint8_t* q, float* q_scales, const T* gate_up, int64_t rows, int64_t width) {
  int64_t tiles = fp8_tiles(width);
  for_tiles(rows, width, [&](int64_t r, int64_t t, int64_t at, int64_t n) {
    alignas(64) float gate[kFp8Tile], up[kFp8Tile], product[kFp8Tile];
    const T* from = gate_up + r * 2 * width + at;
    vi most_gate = {}, most_up = {}, most = {};
    for (int64_t i = 0; i < n; i += W) {
      vf g = n - i >= W ? load(from + i) : load_part(from + i, n - i);
      vf u = n - i >= W ? load(from + width + i) : load_part(from + width + i, n - i);
      vf y = g * vsigmoid(g) * u;
      most_gate = vmax_bits(size_bits(g), most_gate);
      most_up = vmax_bits(size_bits(u), most_up);
      most = vmax_bits(size_bits(y), most);
      store(gate + i, g);
      store(up + i, u);
      store(product + i, y);
    }
    float scale = fp8_scale(largest_bits(most), false, kActivationFloor);
    h_scales[r * tiles + t] = scale;
    fp8_encode(h + r * width, product, scale, at, n, F8_E4M3);
    if (!q) return;
    float* halves = q_scales + r * 2 * tiles + t;
    halves[0] = fp8_scale(largest_bits(most_gate), false, kActivationFloor);
    halves[tiles] = fp8_scale(largest_bits(most_up), false, kActivationFloor);
    fp8_encode(q + r * 2 * width, gate, halves[0], at, n, F8_E4M3);
    fp8_encode(q + r * 2 * width + width, up, halves[tiles], at, n, F8_E4M3);
  });
}

// Both halves of a tile, dequantised.
inline void decode_halves(float* gate, float* up, const uint8_t* q, const float* scales, int64_t r, int64_t t, int64_t at, int64_t n,
                          int64_t width) {
  int64_t tiles = fp8_tiles(width);
  const uint8_t* row = q + r * 2 * width;
  fp8_decode(gate, row, at, n, F8_E4M3);
  fp8_decode(up, row + width, at, n, F8_E4M3);
  vf a = splat(scales[r * 2 * tiles + t]), b = splat(scales[(r * 2 + 1) * tiles + t]);
  for (int64_t i = 0; i < n; i += W) {
    store(gate + i, load(gate + i) * a);
    store(up + i, load(up + i) * b);
  }
}

template <typename T>
void output(T* y, const uint8_t* q, const float* scales, int64_t rows, int64_t width) {
  for_tiles(rows, width, [&](int64_t r, int64_t t, int64_t at, int64_t n) {
    alignas(64) float gate[kFp8Tile] = {}, up[kFp8Tile] = {};
    decode_halves(gate, up, q, scales, r, t, at, n, width);
    for_lanes(n, [&](int64_t i, auto lane) {
      vf g = lane.load(gate + i);
      lane.store(y + r * width + at + i, g * vsigmoid(g) * lane.load(up + i));
    });
  });
}

template <typename T>
void backward(T* dgate_up, const T* dy, const uint8_t* q, const float* scales, int64_t rows, int64_t width) {
  for_tiles(rows, width, [&](int64_t r, int64_t t, int64_t at, int64_t n) {
    alignas(64) float gate[kFp8Tile] = {}, up[kFp8Tile] = {};
    decode_halves(gate, up, q, scales, r, t, at, n, width);
    T* dgate = dgate_up + r * 2 * width + at;
    for_lanes(n, [&](int64_t i, auto lane) {
      vf g = lane.load(gate + i), d = lane.load(dy + r * width + at + i);
      vf s = vsigmoid(g);
      vf silu = g * s;
      lane.store(dgate + i, d * lane.load(up + i) * (s + silu * (1.0f - s)));
      lane.store(dgate + width + i, d * silu);
    });
  });
}

}  // namespace

void fp8_swiglu_forward(void* h, float* h_scales, void* gate_up_q, float* gate_up_scales, const void* gate_up, int64_t rows,
                        int64_t width, int32_t type) {
  uint8_t *to = static_cast<uint8_t*>(h), *q = static_cast<uint8_t*>(gate_up_q);
  if (type == BF16) forward(to, h_scales, q, gate_up_scales, static_cast<const bf16*>(gate_up), rows, width);
  else forward(to, h_scales, q, gate_up_scales, static_cast<const float*>(gate_up), rows, width);
}

void fp8_swiglu_output(void* y, const void* gate_up_q, const float* gate_up_scales, int64_t rows, int64_t width, int32_t type) {
  const uint8_t* q = static_cast<const uint8_t*>(gate_up_q);
  if (type == BF16) output(static_cast<bf16*>(y), q, gate_up_scales, rows, width);
  else output(static_cast<float*>(y), q, gate_up_scales, rows, width);
}

void fp8_swiglu_backward(void* dgate_up, const void* dy, const void* gate_up_q, const float* gate_up_scales, int64_t rows, int64_t width,
                         int32_t type) {
  const uint8_t* q = static_cast<const uint8_t*>(gate_up_q);
  if (type == BF16) backward(static_cast<bf16*>(dgate_up), static_cast<const bf16*>(dy), q, gate_up_scales, rows, width);
  else backward(static_cast<float*>(dgate_up), static_cast<const float*>(dy), q, gate_up_scales, rows, width);
}

}  // namespace FATHOM_ISA
}  // namespace fathom
