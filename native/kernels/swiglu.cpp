// SwiGLU: silu(gate) * up with silu(z) = z * sigmoid(z), all in f32 between the loads and the store; Shazeer 2020. See kernels.h.
// silu'(z) = sigmoid(z) * (1 + z * (1 - sigmoid(z))).
#include "../parallel.h"
#include "kernels.h"
#include "lanes.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int64_t kGrain = 1 << 13;

template <typename T>
void forward_piece(T* y, const T* gate, const T* up, int64_t n) {
  for_lanes(n, [&](int64_t i, auto lane) {
    vf g = lane.load(gate + i);
    lane.store(y + i, g * vsigmoid(g) * lane.load(up + i));
  });
}

template <typename T>
void backward_piece(T* dgate, T* dup, const T* dy, const T* gate, const T* up, int64_t n) {
  for_lanes(n, [&](int64_t i, auto lane) {
    vf g = lane.load(gate + i), d = lane.load(dy + i);
    vf s = vsigmoid(g);
    vf silu = g * s;
    lane.store(dgate + i, d * lane.load(up + i) * (s + silu * (1.0f - s)));
    lane.store(dup + i, d * silu);
  });
}

// Calls body(row, first column, columns) so that every chunk holds about as many elements, whatever the shape.
template <typename Body>
void parallel_pieces(int64_t rows, int64_t width, Body&& body) {
  parallel_ranges(rows * width, kGrain, [&](int64_t begin, int64_t end) {
    while (begin < end) {
      int64_t row = begin / width, column = begin % width;
      int64_t n = width - column < end - begin ? width - column : end - begin;
      body(row, column, n);
      begin += n;
    }
  });
}

template <typename T>
void forward(T* y, const T* gate_up, int64_t rows, int64_t width) {
  parallel_pieces(rows, width, [&](int64_t row, int64_t column, int64_t n) {
    const T* gate = gate_up + row * 2 * width + column;
    forward_piece(y + row * width + column, gate, gate + width, n);
  });
}

template <typename T>
void backward(T* dgate_up, const T* dy, const T* gate_up, int64_t rows, int64_t width) {
  parallel_pieces(rows, width, [&](int64_t row, int64_t column, int64_t n) {
    const T* gate = gate_up + row * 2 * width + column;
    T* dgate = dgate_up + row * 2 * width + column;
    backward_piece(dgate, dgate + width, dy + row * width + column, gate, gate + width, n);
  });
}

}  // namespace

void swiglu_forward(void* y, const void* gate_up, int64_t rows, int64_t width, int32_t type) {
  if (type == BF16) forward((bf16*)y, (const bf16*)gate_up, rows, width);
  else forward((float*)y, (const float*)gate_up, rows, width);
}

void swiglu_backward(void* dgate_up, const void* dy, const void* gate_up, int64_t rows, int64_t width, int32_t type) {
  if (type == BF16) backward((bf16*)dgate_up, (const bf16*)dy, (const bf16*)gate_up, rows, width);
  else backward((float*)dgate_up, (const float*)dy, (const float*)gate_up, rows, width);
}

}  // namespace FATHOM_ISA
}  // namespace fathom
