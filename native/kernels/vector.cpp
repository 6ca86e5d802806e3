// Simple vector operations, sums of squares and random numbers. See kernels.h. Random numbers are Philox4x32-10 (Salmon, Moraes, Dror &
// Shaw 2011) and Box-Muller, written without fused multiply-adds, so that every instruction set gives the same bits: a seed means
// the same weights on every machine.
#include <cstring>

#include "../parallel.h"
#include "kernels.h"
#include "lanes.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

constexpr int64_t kGrain = 1 << 14;
constexpr int64_t kSumBlock = 1 << 14;

typedef float vf_half __attribute__((vector_size(W * 2), may_alias));
typedef float vf_half_unaligned __attribute__((vector_size(W * 2), aligned(4), may_alias));
typedef double vd __attribute__((vector_size(W * 4), may_alias));
typedef uint64_t vu64 __attribute__((vector_size(W * 4), may_alias));

inline vd low_doubles(vf x) {
  vf_half h;
  memcpy(&h, &x, sizeof h);
  return __builtin_convertvector(h, vd);
}
inline vd high_doubles(vf x) {
  vf_half h;
  memcpy(&h, reinterpret_cast<const char*>(&x) + sizeof h, sizeof h);
  return __builtin_convertvector(h, vd);
}

template <typename T>
double block_squares(const T* x, int64_t n) {
  vd a = {}, b = {};
  for_lanes(n, [&](int64_t i, auto lane) {
    vf v = lane.load(x + i);
    vd low = low_doubles(v), high = high_doubles(v);
    a += low * low;
    b += high * high;
  });
  a += b;
  double total = 0;
  for (int i = 0; i < W / 2; i++) total += a[i];
  return total;
}

template <typename T>
void squares(double* out, const T* x, int64_t n) {
  int64_t blocks = (n + kSumBlock - 1) / kSumBlock;
  double* parts = scratch_of<double>(10, blocks);
  parallel_ranges(n, kSumBlock, [&](int64_t begin, int64_t end) { parts[begin / kSumBlock] = block_squares(x + begin, end - begin); });
  double total = 0;
  for (int64_t b = 0; b < blocks; b++) total += parts[b];
  *out = total;
}

template <typename T>
void add_scaled_piece(T* y, const T* x, float alpha, int64_t n) {
  for_lanes(n, [&](int64_t i, auto lane) { lane.store(y + i, fma(lane.load(x + i), splat(alpha), lane.load(y + i))); });
}
template <typename T>
void add_piece(T* y, const T* a, const T* b, int64_t n) {
  for_lanes(n, [&](int64_t i, auto lane) { lane.store(y + i, lane.load(a + i) + lane.load(b + i)); });
}
template <typename T>
void scale_piece(T* y, float alpha, int64_t n) {
  for_lanes(n, [&](int64_t i, auto lane) { lane.store(y + i, lane.load(y + i) * alpha); });
}

// ---- Philox4x32-10 on W counters at a time ----

struct Counters {
  vu x[4];
};

// The two halves of the 64-bit products of every element with `factor`.
inline void multiply_wide(vu& high, vu& low, vu x, uint32_t factor) {
  vu64 pairs = reinterpret_cast<vu64&>(x);
  vu64 even = (pairs & 0xffffffffu) * uint64_t(factor);
  vu64 odd = (pairs >> 32) * uint64_t(factor);
  vu64 upper = (even >> 32) | (odd & ~uint64_t(0xffffffffu));
  vu64 lower = (even & 0xffffffffu) | (odd << 32);
  high = reinterpret_cast<vu&>(upper);
  low = reinterpret_cast<vu&>(lower);
}

inline Counters philox(Counters c, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; round++) {
    vu high0, low0, high1, low1;
    multiply_wide(high0, low0, c.x[0], 0xD2511F53u);
    multiply_wide(high1, low1, c.x[2], 0xCD9E8D57u);
    c = Counters{{high1 ^ c.x[1] ^ key0, low1, high0 ^ c.x[3] ^ key1, low0}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return c;
}

// ln x for normal positive x: x = m * 2^n with m in [sqrt(1/2), sqrt(2)), polynomial of degree 9 in m - 1 (Cephes logf).
inline vf log_of(vf x) {
  vi bits = reinterpret_cast<vi&>(x);
  vi n = (bits - 0x3f3504f3) >> 23;  // 0x3f3504f3 is sqrt(1/2)
  vi mantissa = bits - (n << 23);
  vf t = reinterpret_cast<vf&>(mantissa) - 1.0f;
  vf z = t * t;
  vf p = splat(7.0376836292e-2f);
  p = p * t - 1.1514610310e-1f;
  p = p * t + 1.1676998740e-1f;
  p = p * t - 1.2420140846e-1f;
  p = p * t + 1.4249322787e-1f;
  p = p * t - 1.6668057665e-1f;
  p = p * t + 2.0000714765e-1f;
  p = p * t - 2.4999993993e-1f;
  p = p * t + 3.3333331174e-1f;
  vf e = __builtin_convertvector(n, vf);
  vf y = t * z * p + e * -2.12194440e-4f - 0.5f * z;
  return t + y + e * 0.693359375f;
}

// Two independent standard normal numbers from 64 random bits. The angle is (bits 30-31 of b) + (the rest of b as a fraction in
// [-1/2, 1/2)) quarter turns.
inline void box_muller(vf& first, vf& second, vu a, vu b) {
  vf u = __builtin_convertvector((vi)(a >> 1), vf) * 0x1p-31f + 0x1p-32f;  // in (0, 1]
  vf radius = vsqrt(log_of(u) * -2.0f);
  vf t = __builtin_convertvector((vi)(b << 2), vf) * (1.57079632679489662f * 0x1p-32f);  // in [-pi/4, pi/4)
  vf z = t * t;
  vf sine = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * t + t;
  vf cosine = ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z - 0.5f * z + 1.0f;
  vu quarter = b >> 30;
  vi swapped = (vi)((quarter & 1u) != 0u);
  vf c = swapped ? sine : cosine, s = swapped ? cosine : sine;
  vu c_sign = ((quarter + 1u) & 2u) << 30, s_sign = (quarter & 2u) << 30;  // the sign bit of cos in quarters 1, 2; of sin in 2, 3
  vu c_bits = reinterpret_cast<vu&>(c) ^ c_sign, s_bits = reinterpret_cast<vu&>(s) ^ s_sign;
  first = radius * reinterpret_cast<vf&>(c_bits);
  second = radius * reinterpret_cast<vf&>(s_bits);
}

// Words [4 * block, 4 * (block + W)) of the stream: word 4 * i + j is element i of x[j].
inline Counters words(uint64_t seed, uint64_t stream, uint64_t block) {
  Counters c;
  for (int i = 0; i < W; i++) {
    c.x[0][i] = uint32_t(block + uint64_t(i));
    c.x[1][i] = uint32_t((block + uint64_t(i)) >> 32);
  }
  c.x[2] = vu{} + uint32_t(stream);
  c.x[3] = vu{} + uint32_t(stream >> 32);
  return philox(c, uint32_t(seed), uint32_t(seed >> 32));
}

// Standard normal numbers [4 * block, 4 * (block + W)) of the stream.
void normals(float* y, uint64_t seed, uint64_t stream, uint64_t block) {
  Counters c = words(seed, stream, block);
  vf n[4];
  box_muller(n[0], n[1], c.x[0], c.x[1]);
  box_muller(n[2], n[3], c.x[2], c.x[3]);
  for (int i = 0; i < W; i++)
    for (int j = 0; j < 4; j++) y[4 * i + j] = n[j][i];
}

// Uniform numbers [4 * block, 4 * (block + W)) of the stream, in [0, 1): the upper 24 bits of each word.
void uniforms(float* y, uint64_t seed, uint64_t stream, uint64_t block) {
  Counters c = words(seed, stream, block);
  for (int j = 0; j < 4; j++) {
    vf u = __builtin_convertvector((vi)(c.x[j] >> 8), vf) * 0x1p-24f;
    for (int i = 0; i < W; i++) y[4 * i + j] = u[i];
  }
}

// Calls body(first, count, numbers) for pieces of elements [start, start + n) of a stream, whose numbers `draw` gives; first counts from 0.
template <typename Draw, typename Body>
void for_random(int64_t n, int64_t start, Draw&& draw, Body&& body) {
  int64_t shift = start % 4, blocks = (shift + n + 3) / 4;  // counters that the elements need a part of
  parallel_ranges(blocks, kGrain / 4, [&](int64_t begin, int64_t end) {
    float group[4 * W];
    for (int64_t b = begin; b < end; b += W) {
      draw(group, uint64_t(start / 4 + b));
      int64_t held = 4 * (end - b < W ? end - b : W), at = 4 * b - shift;  // group[0] is element `at`
      int64_t skip = at < 0 ? -at : 0, last = held < n - at ? held : n - at;
      if (last > skip) body(at + skip, last - skip, group + skip);
    }
  });
}

template <typename T>
void dropout_of(T* y, const T* x, int64_t n, uint64_t seed, uint64_t stream, float rate, bool accumulate) {
  float factor = 1.0f / (1.0f - rate);
  auto draw = [&](float* u, uint64_t block) { uniforms(u, seed, stream, block); };
  for_random(n, 0, draw, [&](int64_t first, int64_t count, const float* u) {
    for (int64_t i = 0; i < count; i++) {
      float kept = u[i] < rate ? 0.0f : to_f32(x[first + i]) * factor;
      y[first + i] = from_f32<T>(accumulate ? to_f32(y[first + i]) + kept : kept);
    }
  });
}

}  // namespace

void add_scaled(void* y, const void* x, float alpha, int64_t n, int32_t type) {
  parallel_ranges(n, kGrain, [&](int64_t begin, int64_t end) {
    if (type == BF16) add_scaled_piece((bf16*)y + begin, (const bf16*)x + begin, alpha, end - begin);
    else add_scaled_piece((float*)y + begin, (const float*)x + begin, alpha, end - begin);
  });
}

void add(void* y, const void* a, const void* b, int64_t n, int32_t type) {
  parallel_ranges(n, kGrain, [&](int64_t begin, int64_t end) {
    if (type == BF16) add_piece((bf16*)y + begin, (const bf16*)a + begin, (const bf16*)b + begin, end - begin);
    else add_piece((float*)y + begin, (const float*)a + begin, (const float*)b + begin, end - begin);
  });
}

void scale(void* y, float alpha, int64_t n, int32_t type) {
  parallel_ranges(n, kGrain, [&](int64_t begin, int64_t end) {
    if (type == BF16) scale_piece((bf16*)y + begin, alpha, end - begin);
    else scale_piece((float*)y + begin, alpha, end - begin);
  });
}

void copy_rows(void* y, const void* x, int64_t rows, int64_t cols, int64_t y_stride, int64_t x_stride, int64_t element_bytes) {
  char* to = static_cast<char*>(y);
  const char* from = static_cast<const char*>(x);
  int64_t bytes = cols * element_bytes;
  if (rows == 1 || (y_stride == cols && x_stride == cols)) {
    parallel_ranges(rows * bytes, kGrain * 4, [&](int64_t begin, int64_t end) { memcpy(to + begin, from + begin, size_t(end - begin)); });
    return;
  }
  parallel_ranges(rows, rows_per_chunk(bytes, kGrain * 4), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++)
      memcpy(to + r * y_stride * element_bytes, from + r * x_stride * element_bytes, size_t(bytes));
  });
}

void sum_squares(double* out, const void* x, int64_t n, int32_t type) {
  if (type == BF16) squares(out, (const bf16*)x, n);
  else squares(out, (const float*)x, n);
}

void random_normal(float* y, int64_t n, double seed, double stream, double start, float std) {
  auto draw = [&](float* group, uint64_t block) { normals(group, uint64_t(seed), uint64_t(stream), block); };
  for_random(n, int64_t(start), draw, [&](int64_t first, int64_t count, const float* group) {
    for (int64_t i = 0; i < count; i++) y[first + i] = group[i] * std;
  });
}

void random_uniform(float* y, int64_t n, double seed, double stream, double start, float bound) {
  auto draw = [&](float* group, uint64_t block) { uniforms(group, uint64_t(seed), uint64_t(stream), block); };
  for_random(n, int64_t(start), draw, [&](int64_t first, int64_t count, const float* u) {
    for (int64_t i = 0; i < count; i++) y[first + i] = (2.0f * u[i] - 1.0f) * bound;
  });
}

void dropout(void* y, const void* x, int64_t n, double seed, double stream, float rate, int32_t accumulate, int32_t type) {
  if (type == BF16) dropout_of((bf16*)y, (const bf16*)x, n, uint64_t(seed), uint64_t(stream), rate, accumulate != 0);
  else dropout_of((float*)y, (const float*)x, n, uint64_t(seed), uint64_t(stream), rate, accumulate != 0);
}

}  // namespace FATHOM_ISA
}  // namespace fathom
