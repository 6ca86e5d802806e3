// The kernels: what each computes, its shapes and what it overwrites. Every function exists once per instruction set, in
// namespace fathom::FATHOM_ISA; kernels.def lists them for the table that the addon dispatches through, and
// src/tensor/kernels/ mirrors the list in TypeScript. Kernels take pointers and sizes and know nothing of Node.
//
// Conventions: row-major; outputs first, then inputs, then sizes; gradients are d + name; `T` in a comment is the storage type
// given by a Dtype argument (f32 or bf16), arithmetic is f32. Work is split over outputs and sums run in fixed blocks: no
// result depends on the thread count or on how many rows share the call. Empty sizes are legal everywhere.
#pragma once
#include <cstdint>

#include "simd.h"

namespace fathom {

// F12_E5M6: 1 sign, 5 exponent (bias 15), 6 mantissa bits, two values in three bytes, rows of whole pairs (fp8_formats.h).
enum Dtype : int32_t { F32 = 0, BF16 = 1, F8_E4M3 = 2, F16 = 3, F12_E5M6 = 4 };
enum QuantFormat : int32_t { Q_F8_E4M3 = 0, Q_INT8 = 1, Q_INT4 = 2 };

namespace FATHOM_ISA {

// ---- convert.cpp: number formats and simple vectors -------------------------------------------------------------------
// y[i] = x[i] in another format (f32, bf16, f16, f8_e4m3fn; nearest even; fp8 saturates at +-448).
void convert(void* y, const void* x, int64_t n, int32_t y_type, int32_t x_type);
// y[i,j] = q[i,j] * scale_inv[i / block, j / block]; q is E4M3, scale_inv is [ceil(rows/block), ceil(cols/block)] f32.
void dequantize_fp8_blocks(void* y, const void* q, const float* scale_inv, int64_t rows, int64_t cols, int64_t block, int32_t y_type);
// Per block: a = max|w|, scale_inv = a / 448 (1 for an all-zero block), q = E4M3(w / scale_inv), saturating.
void quantize_fp8_blocks(void* q, float* scale_inv, const void* w, int64_t rows, int64_t cols, int64_t block, int32_t w_type);
// Index of the first of n E4M3 bytes that is NaN, or -1.
void find_fp8_nan(double* index, const void* q, int64_t n);
void fill(float* y, float value, int64_t n);
// y += alpha * x (T); y = a + b (T).
void add_scaled(void* y, const void* x, float alpha, int64_t n, int32_t type);
void add(void* y, const void* a, const void* b, int64_t n, int32_t type);
void scale(void* y, float alpha, int64_t n, int32_t type);
// Copies a [rows, cols] matrix of `element_bytes`-sized elements between row strides given in elements.
void copy_rows(void* y, const void* x, int64_t rows, int64_t cols, int64_t y_stride, int64_t x_stride, int64_t element_bytes);
// Sum of squares in f64 over fixed blocks (global-norm clipping); non-finite input gives a non-finite result.
void sum_squares(double* out, const void* x, int64_t n, int32_t type);
// Standard normal numbers times std: Philox4x32-10 keyed by (seed), counter (stream, index / 4), Box-Muller; element i depends on
// (seed, stream, i) alone. `start` is the index of y[0].
void random_normal(float* y, int64_t n, double seed, double stream, double start, float std);
// The same with uniform numbers in [-bound, bound): (2 u - 1) * bound, u = (word i of the stream >> 8) / 2^24.
void random_uniform(float* y, int64_t n, double seed, double stream, double start, float bound);
// y (+)= x / (1 - rate) where u >= rate, else 0, with the u of random_uniform: the same call on a gradient is the backward. Srivastava 2014.
void dropout(void* y, const void* x, int64_t n, double seed, double stream, float rate, int32_t accumulate, int32_t type);

// ---- gemm.cpp ---------------------------------------------------------------------------------------------------------
// C[m,n] (+)= op(A)[m,k] * op(B)[k,n]; op(A) = A [m,k] or, transposed, A [k,m]; op(B) = B [k,n] or B [n,k]. ld* are row strides
// in elements. Operand types f32 or bf16 (both alike: bf16 products with f32 sums; mixed: converted to f32), C f32 or bf16.
// Each output sums over k in fixed blocks, in the same order whatever m and n are. accumulate: add to C.
void gemm(void* c, const void* a, const void* b, int64_t m, int64_t n, int64_t k, int64_t lda, int64_t ldb, int64_t ldc,
          int32_t trans_a, int32_t trans_b, int32_t accumulate, int32_t c_type, int32_t a_type, int32_t b_type);
// The same for `batch` matrices at strides (in elements); a stride of 0 shares an operand.
void gemm_batched(void* c, const void* a, const void* b, int64_t batch, int64_t stride_c, int64_t stride_a, int64_t stride_b,
                  int64_t m, int64_t n, int64_t k, int64_t lda, int64_t ldb, int64_t ldc, int32_t trans_a, int32_t trans_b,
                  int32_t accumulate, int32_t c_type, int32_t a_type, int32_t b_type);
// y[rows,n] = x[rows,k] * w[n,k]^T as dot products that stream w once (decoding: few rows). Order of summation differs from gemm's
// but is the same for every number of rows. w is f32 or bf16, x and y f32 or bf16.
void linear_decode(void* y, const void* x, const void* w, int64_t rows, int64_t n, int64_t k, int32_t y_type, int32_t x_type,
                   int32_t w_type);
// Rows in expert order: expert e owns rows [offsets[e], offsets[e+1]).
// c[r, n] = a[r, k] * b[e]  with b [groups, n, k] if trans_b, else [groups, k, n].
void grouped_gemm(void* c, const void* a, const void* b, const int32_t* offsets, int64_t groups, int64_t n, int64_t k,
                  int32_t trans_b, int32_t accumulate, int32_t c_type, int32_t a_type, int32_t b_type);
// dw[e] [n, k] += dy[rows of e, n]^T * x[rows of e, k]; dw is f32 [groups, n, k].
void grouped_gemm_wgrad(float* dw, const void* dy, const void* x, const int32_t* offsets, int64_t groups, int64_t n, int64_t k,
                        int32_t dy_type, int32_t x_type);
// grouped_gemm (trans_b = 1) by streaming dot products, for decoding.
void grouped_linear_decode(void* y, const void* x, const void* w, const int32_t* offsets, int64_t groups, int64_t n, int64_t k,
                           int32_t y_type, int32_t x_type, int32_t w_type);
// Says which weights the next decoding product reads: w [groups] of group_bytes each, with as many groups of scales (or null), those of
// groups that have rows (all, if there are no offsets). Idle threads bring them to their caches.
void fetch_weights(const void* w, const float* scales, const int32_t* offsets, int64_t groups, int64_t group_bytes, int64_t group_scales);

// ---- quantised weights: quantized_decode.cpp and gemm.cpp ---------------------------------------------------------------
// w is [groups * n, k] in a QuantFormat (quantized.h), scales [groups * n, ceil(k / group)] f32: value = stored * scale. `group` is a
// multiple of 32. Activations and results are f32 or bf16.
// grouped_linear_decode with such a w.
void linear_decode_quantized(void* y, const void* x, const void* w, const float* scales, const int32_t* offsets, int64_t groups, int64_t n,
                             int64_t k, int64_t group, int32_t format, int32_t y_type, int32_t x_type);
// grouped_gemm with such a b: [groups, n, k] if trans_b, else [groups, k, n], of which a row has n values.
void grouped_gemm_quantized(void* c, const void* a, const void* b, const float* scales, const int32_t* offsets, int64_t groups, int64_t n,
                            int64_t k, int32_t trans_b, int32_t accumulate, int64_t group, int32_t format, int32_t c_type, int32_t a_type);
// gemm_batched with such a b; stride_b and a row of b are counted in rows and in ldb values.
void gemm_batched_quantized(void* c, const void* a, const void* b, const float* scales, int64_t batch, int64_t stride_c, int64_t stride_a,
                            int64_t stride_b, int64_t m, int64_t n, int64_t k, int64_t lda, int64_t ldb, int64_t ldc, int32_t trans_b,
                            int32_t accumulate, int64_t group, int32_t format, int32_t c_type, int32_t a_type);
// The inverse of dequantising: stored values and scales of w [rows, k] (f32 or bf16), each group by its largest absolute value
// (over 448, 127 or 7; a scale of 1 for zeros), nearest even, saturating.
void quantize_rows(void* q, float* scales, const void* w, int64_t rows, int64_t k, int64_t group, int32_t format, int32_t w_type);
void dequantize_rows(void* y, const void* q, const float* scales, int64_t rows, int64_t k, int64_t group, int32_t format, int32_t y_type);

// ---- FP8 training: fp8_gemm.cpp (report 3.3, training.md C) --------------------------------------------------------------
// x, dy: E4M3 or, x only, F12_E5M6 (x_format), [rows, k], scales [rows, ceil(k / 128)] f32; w E4M3 [groups, n, k], w_scales [groups,
// ceil(n / 128), ceil(k / 128)]; value = stored * scale. Rows in expert order: expert e owns rows [offsets[e], offsets[e+1]); a plain
// linear is one expert. Each output is the sum over blocks of 128 of the contraction: block sum in f32, times both scales, added in
// f32. accumulation_bits 0, or 14: within a block sums as Hopper's tensor cores make them (fp8_emulation.h).
// y[r, n] = x[r, :] w[e]^T.
void fp8_forward(void* y, const void* x, const float* x_scales, const void* w, const float* w_scales, const int32_t* offsets,
                 int64_t groups, int64_t n, int64_t k, int32_t x_format, int32_t y_type, int32_t accumulation_bits);
// dx[r, k] (+)= dy[r, :] w[e]; dy [rows, n], scales [rows, ceil(n / 128)].
void fp8_input_gradient(void* dx, const void* dy, const float* dy_scales, const void* w, const float* w_scales, const int32_t* offsets,
                        int64_t groups, int64_t n, int64_t k, int32_t accumulate, int32_t dx_type, int32_t accumulation_bits);
// dw[e] [n, k] += dy^T x over e's rows. dy [rows, n] and x [rows, k] E4M3, quantised in tiles of 128 rows of one expert x 1 column:
// dy_scales [tiles, n], x_scales [tiles, k]; tile i of expert e is row offsets[e] / 128 + e + i of the scales.
void fp8_weight_gradient(float* dw, const void* dy, const float* dy_scales, const void* x, const float* x_scales, const int32_t* offsets,
                         int64_t groups, int64_t n, int64_t k, int32_t accumulation_bits);

// ---- fp8_quantize.cpp ---------------------------------------------------------------------------------------------------
// A scale is s = amax / 448 with amax = max(largest |x| of the tile, floor), rounded up to a power of two if power_of_two; stored = x / s,
// nearest even. The floor is 2^-100 or more: the reference's 1e-4 for activations, less for gradients, which are divided by the tokens of
// a step and may all lie below that. A tile that holds a NaN or an infinity has the scale NaN and stored NaNs. x is f32 or bf16.
// Tiles of 1 row x 128 columns: q [rows, k] in E4M3 or F12_E5M6, scales [rows, ceil(k / 128)].
void fp8_quantize_rows(void* q, float* scales, const void* x, int64_t rows, int64_t k, int32_t format, int32_t power_of_two,
                       float floor, int32_t x_type);
void fp8_dequantize_rows(void* y, const void* q, const float* scales, int64_t rows, int64_t k, int32_t format, int32_t y_type);
// Tiles of 128 rows of one expert x 1 column, as fp8_weight_gradient takes them; rows of scales between tiles stay as they are. x is
// f32, bf16 (x_scales null), or quantised rows with their scales.
void fp8_quantize_columns(void* q, float* scales, const void* x, const float* x_scales, const int32_t* offsets, int64_t groups, int64_t k,
                          int32_t power_of_two, float floor, int32_t x_type);
// Blocks of 128 rows of one expert x 128 columns, each block's scale in each of its rows of scales [rows, ceil(k / 128)]: the coarser
// quantisation of output gradients that the report warns of (appendix B.2).
void fp8_quantize_gradient_blocks(void* q, float* scales, const void* x, const int32_t* offsets, int64_t groups, int64_t k,
                                  int32_t power_of_two, float floor, int32_t x_type);
// Blocks of 128 x 128 of each w [groups, n, k] f32: scales [groups, ceil(n / 128), ceil(k / 128)] (1 for a block of zeros), and
// row_scales [groups * n, ceil(k / 128)] (null: not wanted): every row's own copy, as the kernels of quantised weights take them.
void fp8_quantize_weights(void* q, float* scales, float* row_scales, const float* w, int64_t groups, int64_t n, int64_t k);

// ---- fp8_swiglu.cpp -----------------------------------------------------------------------------------------------------
// swiglu_forward whose result is quantised in tiles of 1 x 128 without being stored: h E4M3 [rows, width] and its scales; and gate_up
// quantised for the backward (null: not wanted), each half in tiles of its own: scales [rows, 2, ceil(width / 128)].
void fp8_swiglu_forward(void* h, float* h_scales, void* gate_up_q, float* gate_up_scales, const void* gate_up, int64_t rows,
                        int64_t width, int32_t type);
// y [rows, width] computed anew from quantised gate_up.
void fp8_swiglu_output(void* y, const void* gate_up_q, const float* gate_up_scales, int64_t rows, int64_t width, int32_t type);
void fp8_swiglu_backward(void* dgate_up, const void* dy, const void* gate_up_q, const float* gate_up_scales, int64_t rows, int64_t width,
                         int32_t type);

// ---- rms_norm.cpp -----------------------------------------------------------------------------------------------------
// y = x * rstd * weight, rstd[r] = 1 / sqrt(mean(x[r,:]^2) + eps). Zhang & Sennrich 2019. x has row stride x_stride, y is
// contiguous. Overwrites y [rows, dim] and rstd [rows] (null: not kept). weight f32.
void rms_norm_forward(void* y, float* rstd, const void* x, const float* weight, int64_t rows, int64_t dim, int64_t x_stride,
                      float eps, int32_t type);
// sum = a + b in storage type, then y and rstd as rms_norm_forward of sum: a residual sum and the norm that follows it. All [rows, dim].
void add_rms_norm_forward(void* y, float* rstd, void* sum, const void* a, const void* b, const float* weight, int64_t rows, int64_t dim,
                          float eps, int32_t type);
// xhat = x * rstd, g = dy * weight: dx = rstd * (g - xhat * mean(g * xhat)); dweight += sum over rows of dy * xhat.
// dx has row stride x_stride like x and is overwritten, or added to if accumulate.
void rms_norm_backward(void* dx, float* dweight, const void* dy, const void* x, const float* weight, const float* rstd,
                       int64_t rows, int64_t dim, int64_t x_stride, int32_t accumulate, int32_t type);

// ---- rope.cpp ---------------------------------------------------------------------------------------------------------
// Rotates in place the pairs (2i, 2i+1) (interleaved layout) of the `rope_dim` values found at x + row * row_stride + head *
// head_stride + offset. cos, sin: [positions, rope_dim / 2] f32 tables; positions [rows]. sign -1 undoes it (the backward).
void rope(void* x, const float* cos, const float* sin, const int32_t* positions, int64_t rows, int64_t heads, int64_t row_stride,
          int64_t head_stride, int64_t offset, int64_t rope_dim, float sign, int32_t type);

// ---- attention.cpp ----------------------------------------------------------------------------------------------------
// Causal attention over packed sequences (sequence s owns rows [seq_offsets[s], seq_offsets[s+1])), MLA form: query head h has dn + dr
// values; its key is kv's first dn values of kv head h / (heads / kv_heads) followed by the row's shared k_rope [dr] (dr may be 0: plain
// grouped-query attention); its value is kv's last dv values. q [rows, heads, dn + dr], kv [rows, kv_heads, dn + dv], k_rope
// row stride k_rope_stride; o [rows, heads, dv] overwritten; lse [heads, rows] f32 = log sum exp of scaled scores, overwritten.
// In the forward kv and k_rope may reach further back than q: sequence s owns their rows [key_offsets[s], key_offsets[s+1]) and its queries
// are the last of them. A row's bits depend on where it stands, not on how much came before in other calls, if the rows without queries
// are a multiple of 64 (a tile of keys).
void attention_forward(void* o, float* lse, const void* q, const void* kv, const void* k_rope, const int32_t* seq_offsets,
                       const int32_t* key_offsets, int64_t sequences, int64_t rows, int64_t heads, int64_t kv_heads, int64_t dn,
                       int64_t dr, int64_t dv, int64_t k_rope_stride, float scale, int32_t type);
// Overwrites dq, dkv (shapes of q, kv) and dk_rope (row stride dk_rope_stride); dkv and dk_rope sum over heads in fixed order.
void attention_backward(void* dq, void* dkv, void* dk_rope, const void* d_o, const void* q, const void* kv, const void* k_rope,
                        const void* o, const float* lse, const int32_t* seq_offsets, int64_t sequences, int64_t rows,
                        int64_t heads, int64_t kv_heads, int64_t dn, int64_t dr, int64_t dv, int64_t k_rope_stride,
                        int64_t dk_rope_stride, float scale, int32_t type);

// ---- decoding of MLA: mla_absorb.cpp, latent_cache.cpp, mla_decode.cpp ---------------------------------------------------
// w is kv_b_proj [heads, dn + dv, c]: f32 or bf16 (w_type a Dtype) if scales is null, else a QuantFormat with a scale for each `group`
// values of a row. y[t, h] = (q[t, h, :dn] * w[h, :dn], q[t, h, dn:] rotated as rope does); q [rows, heads, dn + dr], y [rows, heads, c + dr].
void absorb_queries(void* y, const void* q, const void* w, const float* scales, const float* cos, const float* sin, const int32_t* positions,
                    int64_t rows, int64_t heads, int64_t dn, int64_t dr, int64_t c, int64_t dv, int64_t group, int32_t type, int32_t w_type);
// y[t, h] = w[h, dn:] * latent[t, h]; latent [rows, heads, c], y [rows, heads, dv].
void expand_values(void* y, const void* latent, const void* w, const float* scales, int64_t rows, int64_t heads, int64_t dn, int64_t c,
                   int64_t dv, int64_t group, int32_t type, int32_t w_type);
// Entry slots[r] of the cache (latent_entry.h: f32, bf16 or FP8 with scales) = latent[r] [c] and k_rope[r] [dr].
void write_latents(void* cache, const void* latent, const void* k_rope, const int32_t* slots, int64_t rows, int64_t c, int64_t dr,
                   int32_t type, int32_t cache_type);
// Back again: latent[r] and k_rope[r] from entry slots[r].
void read_latents(void* latent, void* k_rope, const void* cache, const int32_t* slots, int64_t rows, int64_t c, int64_t dr, int32_t type,
                  int32_t cache_type);
// As write_latents from a row of kv_a_proj_with_mqa, z [rows, c + dr]: its latent normed (rms_norm_forward with weight [c]), its key part
// rotated.
void append_latents(void* cache, const void* z, const float* weight, const float* cos, const float* sin, const int32_t* positions,
                    const int32_t* slots, int64_t rows, int64_t c, int64_t dr, float eps, int32_t type, int32_t cache_type);
// Absorbed MLA over a paged latent cache: pages of page_size entries; row r reads the first lengths[r] positions through block_table
// [rows, max_pages] (page numbers). q [rows, heads, c + dr] (latent part first); o [rows, heads, c] = sum of p * latent.
// The sequence is split in pieces of a fixed length whose partial results are merged in order.
void mla_decode(void* o, const void* q, const void* cache, const int32_t* block_table, const int32_t* lengths, int64_t rows,
                int64_t heads, int64_t c, int64_t dr, int64_t page_size, int64_t max_pages, float scale, int32_t type,
                int32_t cache_type);

// ---- swiglu.cpp -------------------------------------------------------------------------------------------------------
// y[r, j] = silu(gate_up[r, j]) * gate_up[r, width + j]; gate_up [rows, 2 * width].
void swiglu_forward(void* y, const void* gate_up, int64_t rows, int64_t width, int32_t type);
void swiglu_backward(void* dgate_up, const void* dy, const void* gate_up, int64_t rows, int64_t width, int32_t type);

// ---- router.cpp -------------------------------------------------------------------------------------------------------
// Scores, groups, top-k: section 2.1.2 of the report (model.md A6, A8). scoring 0 sigmoid, 1 softmax; method 0 greedy (plain top-k
// of scores), 1 group_limited_greedy (group score = max of scores), 2 noaux_tc (group score = sum of the two best scores + bias;
// choice by score + bias). Rejected groups count as -inf. Ties: lower expert, lower group. weights come from the unbiased scores,
// divided by (sum + 1e-20) if norm_topk, times scale. experts best first by choice score. Overwrites experts, weights [rows, k] and
// scores [rows, e] f32 from logits [rows, e] f32. bias may be null.
void router_forward(int32_t* experts, float* weights, float* scores, const float* logits, const float* bias, int64_t rows,
                    int64_t e, int64_t k, int64_t groups, int64_t kept_groups, int32_t scoring, int32_t method,
                    int32_t norm_topk, float scale);
// dlogits [rows, e] overwritten from dweights [rows, k] and, if not null, dscores [rows, e] (balance losses).
void router_backward(float* dlogits, const float* dweights, const float* dscores, const int32_t* experts, const float* scores,
                     int64_t rows, int64_t e, int64_t k, int32_t scoring, int32_t norm_topk, float scale);
// Per sequence s: mean_scores[s, i] = mean over its rows of s_i (divided by the row's sum over all experts if normalize), and
// top_counts[s, i] = rows whose plain top-k of the unbiased scores holds i. Overwrites both [sequences, e].
void router_statistics(float* mean_scores, int32_t* top_counts, const float* scores, const int32_t* seq_offsets,
                       int64_t sequences, int64_t e, int64_t k, int32_t normalize);
// dscores [rows, e] += gradient of sum_s sum_i dmean[s, i] * mean_scores[s, i].
void router_statistics_backward(float* dscores, const float* dmean, const float* scores, const int32_t* seq_offsets,
                                int64_t sequences, int64_t e, int32_t normalize);
// counts[s, i] = assignments (row, slot) of sequence s to expert i. Overwrites [sequences, e].
void expert_counts(int32_t* counts, const int32_t* experts, const int32_t* seq_offsets, int64_t sequences, int64_t e, int64_t k);

// ---- permute.cpp ------------------------------------------------------------------------------------------------------
// Stable counting sort of the rows * k slots by expert: offsets [e + 1]; row_slot [rows * k] (sorted row -> slot = row * k + j);
// slot_row [rows * k] (slot -> sorted row). A slot with expert -1 is left out (slot_row -1). Overwrites all three.
void moe_sort(int32_t* offsets, int32_t* row_slot, int32_t* slot_row, const int32_t* experts, int64_t rows, int64_t k, int64_t e);
// y[r] = x[row_slot[r] / k] for the `sorted` sorted rows; x [rows, dim].
void permute_forward(void* y, const void* x, const int32_t* row_slot, int64_t sorted, int64_t k, int64_t dim, int32_t type);
// dx[t] = sum over j of dy[slot_row[t, j]], in order of j; overwritten, or added to if accumulate. Slots of -1 add nothing.
void permute_backward(void* dx, const void* dy, const int32_t* slot_row, int64_t rows, int64_t k, int64_t dim,
                      int32_t accumulate, int32_t type);
// y[t] = (shared ? shared[t] : 0) + sum over j of weights[t, j] * x[slot_row[t, j]]; f32 sums in order of j.
void combine_forward(void* y, const void* x, const float* weights, const int32_t* slot_row, const void* shared, int64_t rows,
                     int64_t k, int64_t dim, int32_t type);
// dx[slot_row[t, j]] = weights[t, j] * dy[t]; dweights[t, j] = dot(dy[t], x[slot_row[t, j]]). Overwrites both.
void combine_backward(void* dx, float* dweights, const void* dy, const void* x, const float* weights, const int32_t* slot_row,
                      int64_t rows, int64_t k, int64_t dim, int32_t type);

// ---- embedding.cpp ----------------------------------------------------------------------------------------------------
// y[r] = table[ids[r]] (T from table_type to type); an id outside [0, vocab) gives a zero row.
void embedding_forward(void* y, const void* table, const int32_t* ids, int64_t rows, int64_t dim, int64_t vocab, int32_t type,
                       int32_t table_type);
// dtable[ids[r]] += dy[r], rows in order; dtable f32 [vocab, dim]. Ids outside the vocabulary add nothing.
void embedding_backward(float* dtable, const void* dy, const int32_t* ids, int64_t rows, int64_t dim, int64_t vocab,
                        int32_t type);

// ---- cross_entropy.cpp ------------------------------------------------------------------------------------------------
// losses[r] = log sum exp(z) - z[target], z = logits[r] * inverse_temperature; target -1: loss 0, entropy 0, no gradient. If gradient:
// logits are overwritten by (softmax(z) - onehot) * inverse_temperature * grad_scale * row_scales[r] (null: 1 each); else left alone, or
// z if there is a temperature. correct[r] (null allowed) = 1 if the target is the arg max (lowest index on ties); entropies[r] (null
// allowed) = -sum p log p in nats.
void cross_entropy(float* losses, int32_t* correct, float* entropies, void* logits, const int32_t* targets, const float* row_scales,
                   int64_t rows, int64_t vocab, int32_t gradient, float grad_scale, float inverse_temperature, int32_t type);

// ---- draw.cpp ---------------------------------------------------------------------------------------------------------
// ids[r] = the first token below `usable` at which the running sum of softmax(logits[r] * inverse_temperatures[r]) passes draws[r], which
// is uniform in [0, 1); logprobs[r] = its log-probability there. Inverse temperature 0: the arg max (lowest index on ties) with
// log-probability 0. Below 0: the row is left out, its outputs stay. logits f32 [rows, width].
void draw_tokens(int32_t* ids, float* logprobs, const float* logits, const float* inverse_temperatures, const double* draws, int64_t rows,
                 int64_t width, int64_t usable);

// ---- adamw.cpp --------------------------------------------------------------------------------------------------------
// One AdamW step (Loshchilov & Hutter 2019) on n values: g = grad * grad_scale; m, v moments; p = p * (1 - lr * wd) - lr * mhat /
// (sqrt(vhat) + eps) with mhat = m / bias1, vhat = v / bias2 (bias1 = 1 - beta1^t). `working` (null allowed) receives p as bf16.
// Moments f32 or bf16 (nearest even).
void adamw(float* p, void* working, void* m, void* v, const float* grad, int64_t n, float grad_scale, float lr, float beta1,
           float beta2, float eps, float wd, float bias1, float bias2, int32_t moment_type);

// ---- peak.cpp: floors of the machine, for `fathom bench` ----------------------------------------------------------------
// Runs `iterations` of independent multiply-adds in registers on every thread; returns operations done (multiply and add counted) through
// *operations. kind 0 f32 FMA, 1 bf16 dot product (falls back to f32 where the CPU has none; *operations then counts what ran).
void peak_flops(double* operations, int64_t iterations, int32_t kind);
// Reads n f32 once over all threads (sum into *out), asking for lines `ahead` bytes in advance (0: the hardware's guesses alone).
void peak_read(double* out, const float* x, int64_t n, int64_t ahead);
// y = a + 3 b over n f32 (triad), stores past the caches; p += g, m += g, v += g, the streams of an optimizer.
void peak_triad(float* y, const float* a, const float* b, int64_t n);
void peak_update(float* p, float* m, float* v, const float* g, int64_t n);

}  // namespace FATHOM_ISA
}  // namespace fathom
