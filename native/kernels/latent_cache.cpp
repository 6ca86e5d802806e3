// What is written to a latent cache and read back. See kernels.h and latent_entry.h. Latents are rounded to the type of the activations before
// they are stored, so decoding stores what a prefill of the same rows would.
#include "../parallel.h"
#include "latent_entry.h"
#include "rms_norm_row.h"
#include "rotary.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

enum { kAngles = 10, kFloats = 11, kRow = 12 };  // scratch slots

constexpr int64_t kChunkRows = 32;

template <typename T>
void store_fp8(uint8_t* entry, const T* latent, const T* key, int64_t c, int64_t dr) {
  float* values = scratch_of<float>(kFloats, kLatentGroup);
  for (int64_t g = 0; g < latent_scales(c); g++) {
    int64_t at = g * kLatentGroup, n = c - at < kLatentGroup ? c - at : kLatentGroup;
    vf most = zero();
    for_lanes(n, [&](int64_t i, auto lane) {
      vf x = lane.load(latent + at + i);
      lane.store(values + i, x);
      most = vmax(most, vmax(x, -x));
    });
    float largest = max_of(most), scale = largest > 0 ? largest / kFp8Max : 1.0f;
    for_lanes(n, [&](int64_t i, auto lane) { lane.store(values + i, lane.load(values + i) / scale); });
    encode_run<Float8>(entry + at, values, n);
    memcpy(entry + c + 4 * g, &scale, 4);
  }
  bf16* to = reinterpret_cast<bf16*>(entry + c + 4 * latent_scales(c));
  for_lanes(dr, [&](int64_t i, auto lane) { lane.store(to + i, lane.load(key + i)); });
}

template <typename T>
void store_entry(uint8_t* entry, const T* latent, const T* key, int64_t c, int64_t dr, int32_t cache_type) {
  auto copy = [&](auto* to) {
    for_lanes(c, [&](int64_t i, auto lane) { lane.store(to + i, lane.load(latent + i)); });
    for_lanes(dr, [&](int64_t i, auto lane) { lane.store(to + c + i, lane.load(key + i)); });
  };
  if (cache_type == F8_E4M3) store_fp8(entry, latent, key, c, dr);
  else if (cache_type == BF16) copy(reinterpret_cast<bf16*>(entry));
  else copy(reinterpret_cast<float*>(entry));
}

template <typename T>
void write_all(uint8_t* cache, const T* latent, const T* key, const int32_t* slots, int64_t rows, int64_t c, int64_t dr, int32_t cache_type) {
  int64_t bytes = entry_bytes(c, dr, cache_type);
  parallel_ranges(rows, kChunkRows, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) store_entry(cache + slots[r] * bytes, latent + r * c, key + r * dr, c, dr, cache_type);
  });
}

template <typename T>
void append_all(uint8_t* cache, const T* z, const float* weight, const float* cos, const float* sin, const int32_t* positions,
                const int32_t* slots, int64_t rows, int64_t c, int64_t dr, float eps, int32_t cache_type) {
  int64_t bytes = entry_bytes(c, dr, cache_type);
  parallel_ranges(rows, kChunkRows, [&](int64_t begin, int64_t end) {
    float* angles = scratch_of<float>(kAngles, 2 * dr);
    T* row = scratch_of<T>(kRow, c + dr);
    for (int64_t r = begin; r < end; r++) {
      const T* from = z + r * (c + dr);
      int64_t at = positions[r] * (dr / 2);
      rms_norm_row<T>(row, nullptr, from, weight, c, eps);
      lay_out_angles(angles, angles + dr, cos + at, sin + at, dr / 2, 1.0f);
      rotate_head(row + c, from + c, angles, angles + dr, dr);
      store_entry(cache + slots[r] * bytes, row, row + c, c, dr, cache_type);
    }
  });
}

template <typename T>
void read_entry(T* latent, T* key, const uint8_t* entry, int64_t c, int64_t dr, int32_t cache_type) {
  auto copy = [&](const auto* from) {
    for_lanes(c, [&](int64_t i, auto lane) { lane.store(latent + i, lane.load(from + i)); });
    for_lanes(dr, [&](int64_t i, auto lane) { lane.store(key + i, lane.load(from + c + i)); });
  };
  if (cache_type == F8_E4M3) {
    T* both = scratch_of<T>(kRow, c + dr);
    read_fp8_entry(both, entry, c, dr);
    memcpy(latent, both, size_t(c) * sizeof(T));
    memcpy(key, both + c, size_t(dr) * sizeof(T));
  } else if (cache_type == BF16) copy(reinterpret_cast<const bf16*>(entry));
  else copy(reinterpret_cast<const float*>(entry));
}

template <typename T>
void read_all(T* latent, T* key, const uint8_t* cache, const int32_t* slots, int64_t rows, int64_t c, int64_t dr, int32_t cache_type) {
  int64_t bytes = entry_bytes(c, dr, cache_type);
  parallel_ranges(rows, kChunkRows, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) read_entry(latent + r * c, key + r * dr, cache + slots[r] * bytes, c, dr, cache_type);
  });
}

}  // namespace

void write_latents(void* cache, const void* latent, const void* k_rope, const int32_t* slots, int64_t rows, int64_t c, int64_t dr,
                   int32_t type, int32_t cache_type) {
  if (type == BF16) write_all((uint8_t*)cache, (const bf16*)latent, (const bf16*)k_rope, slots, rows, c, dr, cache_type);
  else write_all((uint8_t*)cache, (const float*)latent, (const float*)k_rope, slots, rows, c, dr, cache_type);
}

void read_latents(void* latent, void* k_rope, const void* cache, const int32_t* slots, int64_t rows, int64_t c, int64_t dr, int32_t type,
                  int32_t cache_type) {
  if (type == BF16) read_all((bf16*)latent, (bf16*)k_rope, (const uint8_t*)cache, slots, rows, c, dr, cache_type);
  else read_all((float*)latent, (float*)k_rope, (const uint8_t*)cache, slots, rows, c, dr, cache_type);
}

void append_latents(void* cache, const void* z, const float* weight, const float* cos, const float* sin, const int32_t* positions,
                    const int32_t* slots, int64_t rows, int64_t c, int64_t dr, float eps, int32_t type, int32_t cache_type) {
  if (type == BF16) append_all((uint8_t*)cache, (const bf16*)z, weight, cos, sin, positions, slots, rows, c, dr, eps, cache_type);
  else append_all((uint8_t*)cache, (const float*)z, weight, cos, sin, positions, slots, rows, c, dr, eps, cache_type);
}

}  // namespace FATHOM_ISA
}  // namespace fathom
