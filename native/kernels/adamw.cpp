// One AdamW step in one pass over memory. See kernels.h. The update uses the moments before they are rounded to their storage type.
#include "../parallel.h"
#include "kernels.h"
#include "lanes.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int64_t kGrain = 1 << 14;

struct Step {
  float grad_scale, beta1, beta2, keep1, keep2;  // keep = 1 - beta
  float decay;  // lr * wd
  float rate;   // lr / bias1
  float inverse_bias2, eps;
};

template <typename M, bool HasWorking>
void update(float* p, bf16* working, M* m, M* v, const float* grad, int64_t n, const Step s) {
  for_lanes(n, [&](int64_t i, auto lane) {
    vf g = lane.load(grad + i) * s.grad_scale;
    vf m1 = fma(lane.load(m + i), splat(s.beta1), g * s.keep1);
    vf v1 = fma(lane.load(v + i), splat(s.beta2), g * g * s.keep2);
    vf p0 = lane.load(p + i);
    vf p1 = p0 - fma(p0, splat(s.decay), m1 * s.rate / (vsqrt(v1 * s.inverse_bias2) + s.eps));  // 1 - lr * wd would lose digits
    lane.store(m + i, m1);
    lane.store(v + i, v1);
    lane.store(p + i, p1);
    if (HasWorking) lane.store(working + i, p1);
  });
}

template <typename M>
void run(float* p, bf16* working, M* m, M* v, const float* grad, int64_t n, const Step& s) {
  parallel_ranges(n, kGrain, [&](int64_t begin, int64_t end) {
    if (working) update<M, true>(p + begin, working + begin, m + begin, v + begin, grad + begin, end - begin, s);
    else update<M, false>(p + begin, nullptr, m + begin, v + begin, grad + begin, end - begin, s);
  });
}

}  // namespace

void adamw(float* p, void* working, void* m, void* v, const float* grad, int64_t n, float grad_scale, float lr, float beta1,
           float beta2, float eps, float wd, float bias1, float bias2, int32_t moment_type) {
  Step s{grad_scale, beta1, beta2, 1.0f - beta1, 1.0f - beta2, lr * wd, lr / bias1, 1.0f / bias2, eps};
  if (moment_type == BF16) run(p, (bf16*)working, (bf16*)m, (bf16*)v, grad, n, s);
  else run(p, (bf16*)working, (float*)m, (float*)v, grad, n, s);
}

}  // namespace FATHOM_ISA
}  // namespace fathom
