// The matrix products of kernels.h, described to products.cpp.
#include "products.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

int64_t bytes_of(int32_t type) { return type == BF16 ? 2 : 4; }
const void* advance(const void* x, int64_t elements, int32_t type) { return static_cast<const char*>(x) + elements * bytes_of(type); }
void* advance(void* x, int64_t elements, int32_t type) { return static_cast<char*>(x) + elements * bytes_of(type); }
int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <typename F>
std::vector<Problem> problems_of(int64_t count, F&& problem_at) {
  std::vector<Problem> problems;
  for (int64_t i = 0; i < count; i++) problems.push_back(problem_at(i));
  return problems;
}

// A quantised b. Scales lie along its rows: with op(B) = b^T they belong to blocks of k, else the values are multiplied out.
Form quantized_form(bool trans_b, bool accumulate, int32_t c_type, int32_t a_type, int32_t format, int64_t group) {
  return {false, trans_b, accumulate, c_type, store_of(a_type), store_of_quant(format), trans_b ? group : 0, trans_b ? 0 : group};
}
Operand quantized_operand(const void* b, const float* scales, int64_t row, int64_t ld, int64_t group, int32_t format) {
  int64_t row_scales = ceil_div(ld, group);
  return {row_of(b, row, ld, store_of_quant(format)), ld, Scales{scales + row * row_scales, 1, row_scales, 1}};
}

}  // namespace

void gemm(void* c, const void* a, const void* b, int64_t m, int64_t n, int64_t k, int64_t lda, int64_t ldb, int64_t ldc,
          int32_t trans_a, int32_t trans_b, int32_t accumulate, int32_t c_type, int32_t a_type, int32_t b_type) {
  gemm_batched(c, a, b, 1, 0, 0, 0, m, n, k, lda, ldb, ldc, trans_a, trans_b, accumulate, c_type, a_type, b_type);
}

void gemm_batched(void* c, const void* a, const void* b, int64_t batch, int64_t stride_c, int64_t stride_a, int64_t stride_b,
                  int64_t m, int64_t n, int64_t k, int64_t lda, int64_t ldb, int64_t ldc, int32_t trans_a, int32_t trans_b,
                  int32_t accumulate, int32_t c_type, int32_t a_type, int32_t b_type) {
  Form form{trans_a != 0, trans_b != 0, accumulate != 0, c_type, store_of(a_type), store_of(b_type)};
  auto problem = [&](int64_t i) {
    return Problem{advance(c, i * stride_c, c_type), {advance(a, i * stride_a, a_type), lda}, {advance(b, i * stride_b, b_type), ldb},
                   m, n, k, ldc};
  };
  run_products(form, problems_of(batch, problem), stride_b == 0 || batch == 1);
}

void grouped_gemm(void* c, const void* a, const void* b, const int32_t* offsets, int64_t groups, int64_t n, int64_t k,
                  int32_t trans_b, int32_t accumulate, int32_t c_type, int32_t a_type, int32_t b_type) {
  Form form{false, trans_b != 0, accumulate != 0, c_type, store_of(a_type), store_of(b_type)};
  auto problem = [&](int64_t e) {
    int64_t row = offsets[e], rows = offsets[e + 1] - row;
    return Problem{advance(c, row * n, c_type), {advance(a, row * k, a_type), k}, {advance(b, e * n * k, b_type), trans_b ? k : n},
                   rows, n, k, n};
  };
  run_products(form, problems_of(groups, problem), groups == 1);
}

void grouped_gemm_wgrad(float* dw, const void* dy, const void* x, const int32_t* offsets, int64_t groups, int64_t n, int64_t k,
                        int32_t dy_type, int32_t x_type) {
  Form form{true, false, true, F32, store_of(dy_type), store_of(x_type)};
  auto problem = [&](int64_t e) {
    int64_t row = offsets[e], rows = offsets[e + 1] - row;
    // The rows are the summed dimension here; an expert without rows adds nothing.
    return Problem{dw + e * n * k, {advance(dy, row * n, dy_type), n}, {advance(x, row * k, x_type), k}, rows > 0 ? n : 0, k, rows, k};
  };
  run_products(form, problems_of(groups, problem), groups == 1);
}

void grouped_gemm_quantized(void* c, const void* a, const void* b, const float* scales, const int32_t* offsets, int64_t groups, int64_t n,
                            int64_t k, int32_t trans_b, int32_t accumulate, int64_t group, int32_t format, int32_t c_type, int32_t a_type) {
  int64_t b_rows = trans_b ? n : k, b_columns = trans_b ? k : n;
  auto problem = [&](int64_t e) {
    int64_t row = offsets[e], rows = offsets[e + 1] - row;
    return Problem{advance(c, row * n, c_type), {advance(a, row * k, a_type), k},
                   quantized_operand(b, scales, e * b_rows, b_columns, group, format), rows, n, k, n};
  };
  run_products(quantized_form(trans_b, accumulate, c_type, a_type, format, group), problems_of(groups, problem), groups == 1);
}

void gemm_batched_quantized(void* c, const void* a, const void* b, const float* scales, int64_t batch, int64_t stride_c, int64_t stride_a,
                            int64_t stride_b, int64_t m, int64_t n, int64_t k, int64_t lda, int64_t ldb, int64_t ldc, int32_t trans_b,
                            int32_t accumulate, int64_t group, int32_t format, int32_t c_type, int32_t a_type) {
  auto problem = [&](int64_t i) {
    return Problem{advance(c, i * stride_c, c_type), {advance(a, i * stride_a, a_type), lda},
                   quantized_operand(b, scales, i * stride_b, ldb, group, format), m, n, k, ldc};
  };
  run_products(quantized_form(trans_b, accumulate, c_type, a_type, format, group), problems_of(batch, problem), stride_b == 0 || batch == 1);
}

}  // namespace FATHOM_ISA
}  // namespace fathom
