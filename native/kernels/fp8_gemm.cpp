// The three products of FP8 training (report 3.3, training.md C): operands in E4M3 (the input of the attention output projection also in
// E5M6) with a scale for each 128 values of the contraction; a block's sum is multiplied by both scales and added in f32. Described to
// products.cpp, which multiplies the values as stored.
#include "fp8_emulation.h"
#include "fp8_formats.h"
#include "products.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

Store store_of_fp8(int32_t format) { return format == F12_E5M6 ? Store::f12 : Store::f8; }

// A row's scales lie beside each other, one a block of its values; a weight's are a matrix of blocks.
Scales of_rows(const float* scales, int64_t row, int64_t values) { return {scales + row * fp8_tiles(values), 1, fp8_tiles(values), 1}; }

template <typename F>
void for_experts(const Form& form, const int32_t* offsets, int64_t groups, F&& problem_at) {
  std::vector<Problem> problems;
  for (int64_t e = 0; e < groups; e++) problems.push_back(problem_at(e, int64_t(offsets[e]), int64_t(offsets[e + 1] - offsets[e])));
  run_products(form, problems, groups == 1);
}

}  // namespace

void fp8_forward(void* y, const void* x, const float* x_scales, const void* w, const float* w_scales, const int32_t* offsets, int64_t groups,
                 int64_t n, int64_t k, int32_t x_format, int32_t y_type, int32_t accumulation_bits) {
  if (accumulation_bits) return emulate_forward(y, x, x_scales, w, w_scales, offsets, groups, n, k, x_format, y_type, accumulation_bits);
  Store store = store_of_fp8(x_format);
  Form form{false, true, false, y_type, store, Store::f8, kFp8Tile};
  for_experts(form, offsets, groups, [&](int64_t e, int64_t row, int64_t rows) {
    Operand a{row_of(x, row, k, store), k, of_rows(x_scales, row, k)};
    Operand b{row_of(w, e * n, k, Store::f8), k, Scales{w_scales + e * fp8_tiles(n) * fp8_tiles(k), kFp8Tile, fp8_tiles(k), 1}};
    return Problem{static_cast<char*>(y) + row * n * (y_type == BF16 ? 2 : 4), a, b, rows, n, k, n};
  });
}

void fp8_input_gradient(void* dx, const void* dy, const float* dy_scales, const void* w, const float* w_scales, const int32_t* offsets,
                        int64_t groups, int64_t n, int64_t k, int32_t accumulate, int32_t dx_type, int32_t accumulation_bits) {
  if (accumulation_bits)
    return emulate_input_gradient(dx, dy, dy_scales, w, w_scales, offsets, groups, n, k, accumulate, dx_type, accumulation_bits);
  Form form{false, false, accumulate != 0, dx_type, Store::f8, Store::f8, kFp8Tile};
  for_experts(form, offsets, groups, [&](int64_t e, int64_t row, int64_t rows) {
    Operand a{row_of(dy, row, n, Store::f8), n, of_rows(dy_scales, row, n)};
    Operand b{row_of(w, e * n, k, Store::f8), k, Scales{w_scales + e * fp8_tiles(n) * fp8_tiles(k), kFp8Tile, 1, fp8_tiles(k)}};
    return Problem{static_cast<char*>(dx) + row * k * (dx_type == BF16 ? 2 : 4), a, b, rows, k, n, k};
  });
}

void fp8_weight_gradient(float* dw, const void* dy, const float* dy_scales, const void* x, const float* x_scales, const int32_t* offsets,
                         int64_t groups, int64_t n, int64_t k, int32_t accumulation_bits) {
  if (accumulation_bits) return emulate_weight_gradient(dw, dy, dy_scales, x, x_scales, offsets, groups, n, k, accumulation_bits);
  Form form{true, false, true, F32, Store::f8, Store::f8, kFp8Tile};
  for_experts(form, offsets, groups, [&](int64_t e, int64_t row, int64_t rows) {
    int64_t first = row / kFp8Tile + e;  // of the expert's tiles of rows
    Operand a{row_of(dy, row, n, Store::f8), n, Scales{dy_scales + first * n, 1, 1, n}};
    Operand b{row_of(x, row, k, Store::f8), k, Scales{x_scales + first * k, 1, 1, k}};
    // The rows are the summed dimension here; an expert without rows adds nothing.
    return Problem{dw + e * n * k, a, b, rows > 0 ? n : 0, k, rows, k};
  });
}

}  // namespace FATHOM_ISA
}  // namespace fathom
