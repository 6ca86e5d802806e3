// Matrix products after Goto & van de Geijn (2008): C is cut into blocks that threads take one by one; for each block of kDepth values of
// k, the block's columns of op(B) and its rows of op(A) are packed into panels that fit the second-level cache, and the register
// tile of gemm_tile.h runs over them. A small B that many blocks need is packed once, by all threads, before. Single, batched and
// grouped products are lists of problems whose blocks share one queue, so small products of many experts keep all threads busy.
// An output is the sum of its blocks of kDepth products, in order; then C is overwritten or added to. Neither m, n, the blocks
// nor the thread count changes it.
#include <vector>

#include "../parallel.h"
#include "gemm_pack.h"
#include "quantized.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

// Slots of scratch memory that belong to this file.
enum { kSharedB = 0, kPackedA = 1, kSums = 2, kPackedB = 3, kDequantized = 4 };

constexpr int64_t kSharedFloats = int64_t(4) << 20;  // a B of up to 16 MiB is packed once for all ...
constexpr int64_t kSharedRows = 256;                 // ... if more rows than this use it
constexpr int64_t kPanelsPerPack = 4;
constexpr int64_t kPackedRows = 12 * kTileRows;      // rows of A packed at a time
constexpr int64_t kMaxRows = 512, kMaxColumns = 1024, kMaxSums = 256 << 10;  // of a block of C; kMaxSums = rows * columns
constexpr int64_t kMinRows = 10 * kTileRows, kMinColumns = 128;
constexpr double kBlockFlops = 256e6;                // what a block should at least hold once there are kEnoughBlocks
constexpr int64_t kEnoughBlocks = 8, kManyBlocks = 64;

// What all problems of one call have in common.
struct Form {
  bool trans_a, trans_b, accumulate;
  int32_t c_type, a_type, b_type;
  int64_t group = 0;  // of b if that is quantised; b_type then is its QuantFormat
};

struct Problem {
  void* c;
  const void *a, *b;
  int64_t m, n, k, lda, ldb, ldc;
  const float* scales = nullptr;
};

// A problem and its grid of blocks; `shared` is its op(B) packed before, or null.
struct Plan {
  Problem problem;
  const float* shared;
  int64_t rows, columns, row_blocks, column_blocks, first_block;
};

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t a, int64_t unit) { return ceil_div(a, unit) * unit; }
int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// Calls body with a pointer to elements of `type`.
template <typename F>
void with_type(const void* x, int32_t type, F&& body) {
  if (type == BF16) body(static_cast<const bf16*>(x));
  else body(static_cast<const float*>(x));
}

// Values [at, at + count) of a row of a quantised b.
void dequantize(float* y, const Form& form, const Problem& q, int64_t row, int64_t at, int64_t count) {
  with_format(form.b_type, [&](auto type) {
    const uint8_t* values = static_cast<const uint8_t*>(q.b) + row * quantized_bytes(q.ldb, form.b_type);
    const float* scales = q.scales + row * ceil_div(q.ldb, form.group);
    dequantize_run<decltype(type)>(y, values, scales, at, count, q.ldb, form.group);
  });
}

// pack_b of a quantised b, a few rows of it at a time through f32.
void pack_b_quantized(float* y, const Form& form, const Problem& q, int64_t column, int64_t columns, int64_t first, int64_t depth) {
  if (form.trans_b) {
    int64_t ld = depth + 16;  // apart from powers of two
    float* rows = scratch_of<float>(kDequantized, kTileColumns * ld + W);
    for (int64_t j = 0; j < columns; j += kTileColumns) {
      int64_t here = least(kTileColumns, columns - j);
      for (int64_t i = 0; i < here; i++) dequantize(rows + i * ld, form, q, column + j + i, first, depth);
      pack_b_transposed(y + j * depth, rows, ld, here, depth);
    }
    return;
  }
  float* row = scratch_of<float>(kDequantized, round_up(columns, kTileColumns) + W);
  for (int64_t p = 0; p < depth; p++) {
    dequantize(row, form, q, first + p, column, columns);
    for (int64_t j = columns; j < round_up(columns, kTileColumns); j++) row[j] = 0;
    for (int64_t j = 0; j < columns; j += kTileColumns)
      for (int v = 0; v < kTileVectors; v++) store(y + j * depth + p * kTileColumns + v * W, load(row + j + v * W));
  }
}

// Columns [column, column + columns) of op(B), k in [first, first + depth), to panels of `depth` rows.
void pack_b(float* y, const Form& form, const Problem& q, int64_t column, int64_t columns, int64_t first, int64_t depth) {
  if (form.group > 0) return pack_b_quantized(y, form, q, column, columns, first, depth);
  with_type(q.b, form.b_type, [&](auto* b) {
    if (form.trans_b) pack_b_transposed(y, b + column * q.ldb + first, q.ldb, columns, depth);
    else pack_b_straight(y, b + first * q.ldb + column, q.ldb, columns, depth);
  });
}

// Rows [row, row + rows) of op(A), k in [first, first + depth).
void pack_a(float* y, const Form& form, const Problem& q, int64_t row, int64_t rows, int64_t first, int64_t depth) {
  with_type(q.a, form.a_type, [&](auto* a) {
    if (form.trans_a) pack_a_transposed(y, a + first * q.lda + row, q.lda, rows, depth);
    else pack_a_straight(y, a + row * q.lda + first, q.lda, rows, depth);
  });
}

template <typename C>
void write_out(C* c, int64_t ldc, const float* sums, int64_t ld, int64_t rows, int64_t columns, bool accumulate) {
  for (int64_t i = 0; i < rows; i++, c += ldc, sums += ld) {
    int64_t j = 0;
    for (; j + W <= columns; j += W) store(c + j, accumulate ? load(c + j) + load(sums + j) : load(sums + j));
    if (int64_t rest = columns - j; rest > 0) {
      vf value = load_part(sums + j, rest);
      store_part(c + j, accumulate ? load_part(c + j, rest) + value : value, rest);
    }
  }
}

// C[rows, columns] (row stride ldc) (+)= sums, in the storage type of C; c_at counts elements.
void write_out(const Form& form, const Problem& q, int64_t c_at, const float* sums, int64_t ld, int64_t rows, int64_t columns) {
  if (form.c_type == BF16) write_out(static_cast<bf16*>(q.c) + c_at, q.ldc, sums, ld, rows, columns, form.accumulate);
  else write_out(static_cast<float*>(q.c) + c_at, q.ldc, sums, ld, rows, columns, form.accumulate);
}

// One block of C. A whole sum of f32 without edges goes straight to C; all others are gathered in scratch memory and then written.
void compute_block(const Form& form, const Plan& plan, int64_t block) {
  const Problem& q = plan.problem;
  int64_t row = block / plan.column_blocks * plan.rows, column = block % plan.column_blocks * plan.columns;
  int64_t rows = least(plan.rows, q.m - row), columns = least(plan.columns, q.n - column);
  int64_t c_at = row * q.ldc + column;

  bool in_place = form.c_type == F32 && columns % kTileColumns == 0 && q.k > 0 && q.k <= kDepth;
  int64_t width = round_up(columns, kTileColumns);
  int64_t ld = in_place ? q.ldc : width + 16;  // apart from powers of two, whose rows would share cache sets
  float* sums = in_place ? static_cast<float*>(q.c) + c_at : scratch_of<float>(kSums, rows * ld);
  if (q.k <= 0) {
    memset(sums, 0, size_t(rows * ld) * sizeof(float));
    write_out(form, q, c_at, sums, ld, rows, columns);
    return;
  }
  float* packed_a = scratch_of<float>(kPackedA, kPackedRows * kRowStride + W);
  float* packed_b = plan.shared ? nullptr : scratch_of<float>(kPackedB, width * least(kDepth, q.k));
  for (int64_t p = 0; p < q.k; p += kDepth) {
    int64_t depth = least(kDepth, q.k - p);
    if (packed_b) pack_b(packed_b, form, q, column, columns, p, depth);
    const float* b = packed_b ? packed_b : plan.shared + column * q.k + p * kTileColumns;
    int64_t panel_stride = (packed_b ? depth : q.k) * kTileColumns;
    for (int64_t i = 0; i < rows; i += kPackedRows) {
      int64_t here = least(kPackedRows, rows - i);
      pack_a(packed_a, form, q, row + i, here, p, depth);
      for (int64_t j = 0; j < columns; j += kTileColumns) {
        const float* panel = b + j / kTileColumns * panel_stride;
        for (int64_t r = 0; r < here; r += kTileRows) {
          auto tile = tile_product_for(int(least(kTileRows, here - r)), columns - j, form.trans_a);
          tile(sums + (i + r) * ld + j, ld, packed_a + r * kRowStride, panel, depth, p > 0 || (in_place && form.accumulate));
        }
      }
      if (!in_place && p + depth == q.k) write_out(form, q, c_at + i * q.ldc, sums + i * ld, ld, here, columns);
    }
  }
}

// The grid of blocks: as large as caches allow, because packing is paid once a block, but enough of them for all threads.
// Splitting rows packs B again unless it is shared; splitting columns packs A again.
void choose_blocks(Plan& plan, double flops, int64_t problems) {
  const Problem& q = plan.problem;
  double wanted = flops / kBlockFlops;
  int64_t blocks = wanted < kEnoughBlocks ? kEnoughBlocks : wanted > kManyBlocks ? kManyBlocks : int64_t(wanted);
  blocks = ceil_div(blocks, problems);
  int64_t down = ceil_div(q.m, kMaxRows), across = ceil_div(q.n, kMaxColumns);
  for (;;) {
    plan.rows = round_up(ceil_div(q.m, down), kTileRows);
    plan.columns = round_up(ceil_div(q.n, across), kTileColumns);
    if (down * across >= blocks && plan.rows * plan.columns <= kMaxSums) break;
    bool rows_left = plan.rows > kMinRows, columns_left = plan.columns > kMinColumns;
    if (!rows_left && !columns_left) break;
    if (rows_left && (!columns_left || plan.shared || plan.rows > plan.columns)) down++;
    else across++;
  }
  plan.row_blocks = ceil_div(q.m, plan.rows);
  plan.column_blocks = ceil_div(q.n, plan.columns);
}

// Runs `count` problems; one_b: they share one op(B).
template <typename F>
void run_problems(const Form& form, int64_t count, bool one_b, F&& problem_at) {
  std::vector<Plan> plans;
  double flops = 0;
  for (int64_t i = 0; i < count; i++) {
    Problem q = problem_at(i);
    if (q.m <= 0 || q.n <= 0) continue;
    flops += 2.0 * double(q.m) * double(q.n) * double(q.k);
    plans.push_back(Plan{q, nullptr, 0, 0, 0, 0, 0});
  }
  if (plans.empty()) return;
  const Problem& first = plans[0].problem;
  int64_t panels = ceil_div(first.n, kTileColumns), panel_floats = first.k * kTileColumns;
  if (one_b && first.m * count > kSharedRows && panel_floats > 0 && panels * panel_floats <= kSharedFloats) {
    float* shared = scratch_of<float>(kSharedB, panels * panel_floats);
    parallel_ranges(panels, kPanelsPerPack, [&](int64_t begin, int64_t end) {
      int64_t column = begin * kTileColumns;
      pack_b(shared + begin * panel_floats, form, first, column, least(first.n, end * kTileColumns) - column, 0, first.k);
    });
    for (Plan& plan : plans) plan.shared = shared;
  }
  int64_t blocks = 0;
  for (Plan& plan : plans) {
    choose_blocks(plan, flops, int64_t(plans.size()));
    plan.first_block = blocks;
    blocks += plan.row_blocks * plan.column_blocks;
  }
  parallel_for(blocks, [&](int64_t block) {
    size_t low = 0, high = plans.size();
    while (high - low > 1) {
      size_t middle = (low + high) / 2;
      (plans[middle].first_block <= block ? low : high) = middle;
    }
    compute_block(form, plans[low], block - plans[low].first_block);
  });
}

int64_t bytes_of(int32_t type) { return type == BF16 ? 2 : 4; }
const void* advance(const void* x, int64_t elements, int32_t type) { return static_cast<const char*>(x) + elements * bytes_of(type); }
void* advance(void* x, int64_t elements, int32_t type) { return static_cast<char*>(x) + elements * bytes_of(type); }

}  // namespace

void gemm(void* c, const void* a, const void* b, int64_t m, int64_t n, int64_t k, int64_t lda, int64_t ldb, int64_t ldc,
          int32_t trans_a, int32_t trans_b, int32_t accumulate, int32_t c_type, int32_t a_type, int32_t b_type) {
  Form form{trans_a != 0, trans_b != 0, accumulate != 0, c_type, a_type, b_type};
  run_problems(form, 1, true, [&](int64_t) { return Problem{c, a, b, m, n, k, lda, ldb, ldc}; });
}

void gemm_batched(void* c, const void* a, const void* b, int64_t batch, int64_t stride_c, int64_t stride_a, int64_t stride_b,
                  int64_t m, int64_t n, int64_t k, int64_t lda, int64_t ldb, int64_t ldc, int32_t trans_a, int32_t trans_b,
                  int32_t accumulate, int32_t c_type, int32_t a_type, int32_t b_type) {
  Form form{trans_a != 0, trans_b != 0, accumulate != 0, c_type, a_type, b_type};
  run_problems(form, batch, stride_b == 0 || batch == 1, [&](int64_t i) {
    return Problem{advance(c, i * stride_c, c_type), advance(a, i * stride_a, a_type), advance(b, i * stride_b, b_type),
                   m, n, k, lda, ldb, ldc};
  });
}

void grouped_gemm(void* c, const void* a, const void* b, const int32_t* offsets, int64_t groups, int64_t n, int64_t k,
                  int32_t trans_b, int32_t accumulate, int32_t c_type, int32_t a_type, int32_t b_type) {
  Form form{false, trans_b != 0, accumulate != 0, c_type, a_type, b_type};
  run_problems(form, groups, groups == 1, [&](int64_t e) {
    int64_t row = offsets[e], rows = offsets[e + 1] - row;
    return Problem{advance(c, row * n, c_type), advance(a, row * k, a_type), advance(b, e * n * k, b_type),
                   rows, n, k, k, trans_b ? k : n, n};
  });
}

void grouped_gemm_wgrad(float* dw, const void* dy, const void* x, const int32_t* offsets, int64_t groups, int64_t n, int64_t k,
                        int32_t dy_type, int32_t x_type) {
  Form form{true, false, true, F32, dy_type, x_type};
  run_problems(form, groups, groups == 1, [&](int64_t e) {
    int64_t row = offsets[e], rows = offsets[e + 1] - row;
    // The rows are the summed dimension here; an expert without rows adds nothing.
    return Problem{dw + e * n * k, advance(dy, row * n, dy_type), advance(x, row * k, x_type), rows > 0 ? n : 0, k, rows, n, k, k};
  });
}

void grouped_gemm_quantized(void* c, const void* a, const void* b, const float* scales, const int32_t* offsets, int64_t groups, int64_t n,
                            int64_t k, int32_t trans_b, int32_t accumulate, int64_t group, int32_t format, int32_t c_type, int32_t a_type) {
  Form form{false, trans_b != 0, accumulate != 0, c_type, a_type, format, group};
  int64_t b_rows = trans_b ? n : k, b_columns = trans_b ? k : n;
  run_problems(form, groups, groups == 1, [&](int64_t e) {
    int64_t row = offsets[e], rows = offsets[e + 1] - row;
    return Problem{advance(c, row * n, c_type), advance(a, row * k, a_type),
                   static_cast<const char*>(b) + e * b_rows * quantized_bytes(b_columns, format),
                   rows, n, k, k, b_columns, n, scales + e * b_rows * ceil_div(b_columns, group)};
  });
}

void gemm_batched_quantized(void* c, const void* a, const void* b, const float* scales, int64_t batch, int64_t stride_c, int64_t stride_a,
                            int64_t stride_b, int64_t m, int64_t n, int64_t k, int64_t lda, int64_t ldb, int64_t ldc, int32_t trans_b,
                            int32_t accumulate, int64_t group, int32_t format, int32_t c_type, int32_t a_type) {
  Form form{false, trans_b != 0, accumulate != 0, c_type, a_type, format, group};
  run_problems(form, batch, stride_b == 0 || batch == 1, [&](int64_t i) {
    return Problem{advance(c, i * stride_c, c_type), advance(a, i * stride_a, a_type),
                   static_cast<const char*>(b) + i * stride_b * quantized_bytes(ldb, format),
                   m, n, k, lda, ldb, ldc, scales + i * stride_b * ceil_div(ldb, group)};
  });
}

}  // namespace FATHOM_ISA
}  // namespace fathom
