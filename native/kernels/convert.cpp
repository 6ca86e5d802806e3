// Number formats and simple vectors. See kernels.h.
#include "../parallel.h"
#include "kernels.h"

namespace fathom {
namespace FATHOM_ISA {

constexpr int64_t kGrain = 1 << 14;  // elements a chunk: long enough to hide the hand-out, short enough to balance

void fill(float* y, float value, int64_t n) {
  parallel_ranges(n, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) y[i] = value;
  });
}

}  // namespace FATHOM_ISA
}  // namespace fathom
