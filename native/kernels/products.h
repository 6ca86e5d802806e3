// Matrix products as data: gemm.cpp, gemm_quantized.cpp and fp8_gemm.cpp describe what is multiplied, products.cpp does it.
#pragma once
#include <vector>

#include "kernels.h"

namespace fathom {
namespace FATHOM_ISA {

// How the values of an operand lie in memory. All but the first two are exact in bf16 and have scales beside them.
enum class Store : int32_t { f32, bf16, f8, f12, int8, int4 };

inline Store store_of(int32_t dtype) { return dtype == BF16 ? Store::bf16 : Store::f32; }
inline Store store_of_quant(int32_t format) { return format == Q_INT8 ? Store::int8 : format == Q_INT4 ? Store::int4 : Store::f8; }

// Bytes of a row of `values` stored values.
inline int64_t row_bytes(int64_t values, Store store) {
  switch (store) {
    case Store::f32: return values * 4;
    case Store::bf16: return values * 2;
    case Store::f12: return (values + 1) / 2 * 3;
    case Store::int4: return (values + 31) / 32 * 16;
    default: return values;
  }
}
inline const void* row_of(const void* x, int64_t row, int64_t ld, Store store) {
  return static_cast<const char*>(x) + row * row_bytes(ld, store);
}

// The scale of an outer index (a row of op(A) or a column of op(B)) in one block of k: values[outer / share * stride + block * block_stride].
// null: 1.
struct Scales {
  const float* values = nullptr;
  int64_t share = 1, stride = 0, block_stride = 0;

  float at(int64_t outer, int64_t block) const { return values ? values[outer / share * stride + block * block_stride] : 1.0f; }
};

struct Operand {
  const void* data;
  int64_t ld;
  Scales scales = {};
};

// C[m, n] (+)= op(A) op(B).
struct Problem {
  void* c;
  Operand a, b;
  int64_t m, n, k, ldc;
};

// What all problems of one call have in common.
struct Form {
  bool trans_a, trans_b, accumulate;
  int32_t c_type;
  Store a, b;
  // Values of k that share scales: the sum over such a block is multiplied by the scales of row and column and then added (report 3.3.2).
  // 0: no scales. A multiple of 32.
  int64_t block = 0;
  // Values of a row of b that share a scale, for an op(B) = B whose scales change along n, so that it is multiplied out while packing.
  int64_t group = 0;
};

// one_b: all problems share one op(B). Problems without rows or columns are left out; k = 0 gives zeros.
void run_products(const Form& form, const std::vector<Problem>& problems, bool one_b);

}  // namespace FATHOM_ISA
}  // namespace fathom
