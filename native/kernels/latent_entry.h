// One entry of a latent cache: what decoding keeps of a token. In f32 or bf16: the c latent values, then the dr rotated key values. In FP8
// (cache type F8_E4M3; as FlashMLA stores it): c E4M3 bytes, one f32 scale for each 128 of them, the key part in bf16.
#pragma once
#include "quantized.h"

namespace fathom {
namespace FATHOM_ISA {

constexpr int64_t kLatentGroup = 128;

inline int64_t latent_scales(int64_t c) { return (c + kLatentGroup - 1) / kLatentGroup; }

inline int64_t entry_bytes(int64_t c, int64_t dr, int32_t cache_type) {
  if (cache_type == F8_E4M3) return c + 4 * latent_scales(c) + 2 * dr;
  return (c + dr) * (cache_type == BF16 ? 2 : 4);
}

// Values [0, c) and [c, c + dr) of an FP8 entry to y, in f32 or rounded to bf16.
template <typename Y>
void read_fp8_entry(Y* y, const uint8_t* entry, int64_t c, int64_t dr) {
  auto put = [&](int64_t at, vf x, int64_t count) {
    if (count >= W) store(y + at, x);
    else store_part(y + at, x, count);
  };
  for (int64_t g = 0; g < latent_scales(c); g++) {
    float scale;
    memcpy(&scale, entry + c + 4 * g, 4);
    int64_t end = (g + 1) * kLatentGroup < c ? (g + 1) * kLatentGroup : c;
    for (int64_t i = g * kLatentGroup; i < end; i += kQuantStep) {
      uint8_t part[kQuantStep] = {};
      const uint8_t* from = entry + i;
      if (end - i < kQuantStep) memcpy(part, from, size_t(end - i)), from = part;
      vf values[kQuantVectors];
      QuantF8::decode(values, from);
      for (int v = 0; v < kQuantVectors && i + v * W < end; v++) put(i + v * W, values[v] * (scale * QuantF8::kUnit), end - i - v * W);
    }
  }
  const bf16* key = reinterpret_cast<const bf16*>(entry + c + 4 * latent_scales(c));
  for (int64_t i = 0; i < dr; i += W) put(c + i, dr - i >= W ? load(key + i) : load_part(key + i, dr - i), dr - i);
}

}  // namespace FATHOM_ISA
}  // namespace fathom
