// How Hopper's tensor cores add FP8 products (report 3.3.2, training.md C4): 32 products and the running sum are aligned to the largest
// exponent among them and cut, towards zero, to `bits` bits; after 128 products the sum is added to an f32, with the scales. Slow.
// Arguments as of the kernels in kernels.h.
#pragma once
#include "kernels.h"

namespace fathom {
namespace FATHOM_ISA {

void emulate_forward(void* y, const void* x, const float* x_scales, const void* w, const float* w_scales, const int32_t* offsets,
                     int64_t groups, int64_t n, int64_t k, int32_t x_format, int32_t y_type, int32_t bits);
void emulate_input_gradient(void* dx, const void* dy, const float* dy_scales, const void* w, const float* w_scales,
                            const int32_t* offsets, int64_t groups, int64_t n, int64_t k, int32_t accumulate, int32_t dx_type,
                            int32_t bits);
void emulate_weight_gradient(float* dw, const void* dy, const float* dy_scales, const void* x, const float* x_scales,
                             const int32_t* offsets, int64_t groups, int64_t n, int64_t k, int32_t bits);

}  // namespace FATHOM_ISA
}  // namespace fathom
