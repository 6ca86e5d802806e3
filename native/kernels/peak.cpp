// The machine's floors for `fathom bench`: multiply-adds in registers, reading memory, the triad of STREAM (McCalpin 1995),
// the streams of an optimizer. See kernels.h.
// The accumulators fill most of the registers, so that latency is hidden; the work is cut into several pieces a thread, so that a
// thread that wakes late costs little.
#include <type_traits>

#include "../parallel.h"
#include "kernels.h"
#include "lanes.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int64_t kPieces = 16;        // pieces a thread
constexpr int64_t kGrain = 1 << 16;    // floats a chunk of the memory tests
constexpr int64_t kStreams = 8;        // loads in flight while reading
constexpr int kAccumulators = W == 16 ? 24 : 12;

// Keeps a value from being optimised away.
inline void keep(vf x) { asm volatile("" : : "m"(x)); }

double f32_piece(int64_t iterations) {
  vf acc[kAccumulators];
  for (int i = 0; i < kAccumulators; i++) acc[i] = splat(float(i));
  vf a = splat(0.999f), b = splat(1e-3f);
  for (int64_t n = 0; n < iterations; n++) {
#pragma GCC unroll 24
    for (int i = 0; i < kAccumulators; i++) acc[i] = fma(acc[i], a, b);
  }
  for (int i = 0; i < kAccumulators; i++) keep(acc[i]);
  return double(iterations) * kAccumulators * W * 2;
}

#if defined(__AVX512BF16__)
double bf16_piece(int64_t iterations) {
  __m512 acc[kAccumulators];
  for (int i = 0; i < kAccumulators; i++) acc[i] = _mm512_set1_ps(float(i));
  __m512i ones = _mm512_set1_epi16(0x3f80);
  __m512bh a, b;
  memcpy(&a, &ones, 64);
  memcpy(&b, &ones, 64);
  for (int64_t n = 0; n < iterations; n++) {
#pragma GCC unroll 24
    for (int i = 0; i < kAccumulators; i++) acc[i] = _mm512_dpbf16_ps(acc[i], a, b);
  }
  for (int i = 0; i < kAccumulators; i++) keep((vf)acc[i]);
  return double(iterations) * kAccumulators * W * 4;
}
#else
double bf16_piece(int64_t iterations) { return f32_piece(iterations); }
#endif

// Stores a whole aligned vector without reading its cache line first; false where that cannot be done.
template <typename Lane>
bool store_past_caches(float* p, [[maybe_unused]] vf x, Lane) {
  if (!std::is_same_v<Lane, WholeLane> || reinterpret_cast<uintptr_t>(p) % (W * 4) != 0) return false;
#if defined(__AVX512F__)
  _mm512_stream_ps(p, (__m512)x);
  return true;
#elif defined(__AVX2__)
  _mm256_stream_ps(p, (__m256)x);
  return true;
#else
  return false;
#endif
}

void end_stores_past_caches() {
#if defined(__AVX2__)
  _mm_sfence();
#endif
}

}  // namespace

void peak_flops(double* operations, int64_t iterations, int32_t kind) {
  int64_t pieces = threads() * kPieces, each = (iterations + kPieces - 1) / kPieces;
  double* done = scratch_of<double>(10, pieces);
  parallel_for(pieces, [&](int64_t p) { done[p] = kind == 1 ? bf16_piece(each) : f32_piece(each); });
  double total = 0;
  for (int64_t p = 0; p < pieces; p++) total += done[p];
  *operations = total;
}

void peak_read(double* out, const float* x, int64_t n, int64_t ahead) {
  int64_t chunks = (n + kGrain - 1) / kGrain;
  double* parts = scratch_of<double>(10, chunks);
  parallel_ranges(n, kGrain, [&](int64_t begin, int64_t end) {
    vf sum[kStreams];
    for (vf& s : sum) s = splat(0.0f);
    int64_t i = begin;
    for (; i + kStreams * W <= end; i += kStreams * W) {
#pragma GCC unroll 8
      for (int64_t s = 0; s < kStreams; s++) {
        if (ahead != 0) __builtin_prefetch(reinterpret_cast<const char*>(x + i + s * W) + ahead, 0, 2);
        sum[s] += load(x + i + s * W);
      }
    }
    double total = 0;
    for (; i < end; i++) total += x[i];
    for (vf s : sum)
      for (int64_t l = 0; l < W; l++) total += s[l];
    parts[begin / kGrain] = total;
  });
  double total = 0;
  for (int64_t c = 0; c < chunks; c++) total += parts[c];
  *out = total;
}

void peak_triad(float* y, const float* a, const float* b, int64_t n) {
  parallel_ranges(n, kGrain, [&](int64_t begin, int64_t end) {
    for_lanes(end - begin, [&](int64_t i, auto lane) {
      vf value = fma(lane.load(b + begin + i), splat(3.0f), lane.load(a + begin + i));
      if (!store_past_caches(y + begin + i, value, lane)) lane.store(y + begin + i, value);
    });
    end_stores_past_caches();
  });
}

// Lines that were just read are in the caches: ordinary stores lose nothing here.
void peak_update(float* p, float* m, float* v, const float* g, int64_t n) {
  parallel_ranges(n, kGrain, [&](int64_t begin, int64_t end) {
    for_lanes(end - begin, [&](int64_t i, auto lane) {
      vf step = lane.load(g + begin + i);
      lane.store(p + begin + i, lane.load(p + begin + i) + step);
      lane.store(m + begin + i, lane.load(m + begin + i) + step);
      lane.store(v + begin + i, lane.load(v + begin + i) + step);
    });
  });
}

}  // namespace FATHOM_ISA
}  // namespace fathom
