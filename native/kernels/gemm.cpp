// Matrix products after Goto & van de Geijn (2008): op(B) is packed into panels that all threads share, then every chunk (a block of rows
// and columns of one product) packs its rows of op(A) for one block of k at a time and runs the register tile of gemm_tile.h
// over them. Single, batched and grouped products are lists of problems that go through the same two phases, so small products
// of many experts are spread over threads together, and each expert's B is packed once.
// An output is the sum of its blocks of kDepth products, in order; then C is overwritten or added to. Neither m, n, the chunk
// nor the thread count changes it.
#include <vector>

#include "../parallel.h"
#include "gemm_pack.h"
#include "kernels.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

// Slots of scratch memory that belong to this file.
enum { kPackedB = 0, kPackedA = 1, kSums = 2 };

constexpr int64_t kPackedFloats = int64_t(4) << 20;  // packed B kept at once: 16 MiB
constexpr int64_t kPanelsPerPack = 4;
constexpr int64_t kBlockRows = 12 * kTileRows, kBlockColumns = 512 / kTileColumns * kTileColumns;

// What all problems of one call have in common.
struct Form {
  bool trans_a, trans_b, accumulate;
  int32_t c_type, a_type, b_type;
};

struct Problem {
  void* c;
  const void *a, *b;
  int64_t m, n, k, lda, ldb, ldc;
};

// Columns [column, column + columns) of a problem, whose op(B) lies packed at `packed`.
struct Part {
  Problem problem;
  int64_t column, columns;
  const float* packed;
  int64_t block_rows, block_columns, row_blocks, column_blocks;
  int64_t first_pack, first_chunk;
};

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Calls body with a pointer to elements of `type`.
template <typename F>
void with_type(const void* x, int32_t type, F&& body) {
  if (type == BF16) body(static_cast<const bf16*>(x));
  else body(static_cast<const float*>(x));
}

void pack_panels(const Form& form, const Part& part, int64_t panel, int64_t end) {
  const Problem& q = part.problem;
  for (; panel < end; panel++) {
    float* to = const_cast<float*>(part.packed) + panel * q.k * kTileColumns;
    int64_t j = panel * kTileColumns, count = part.columns - j < kTileColumns ? part.columns - j : kTileColumns;
    with_type(q.b, form.b_type, [&](auto* b) { pack_b_panel(to, b, q.ldb, form.trans_b, part.column + j, count, q.k); });
  }
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

// One block of C. f32 blocks without edges are summed in place; all others in scratch memory and then written out.
void compute_block(const Form& form, const Part& part, int64_t block) {
  const Problem& q = part.problem;
  int64_t row = block / part.column_blocks * part.block_rows, column = block % part.column_blocks * part.block_columns;
  int64_t rows = q.m - row < part.block_rows ? q.m - row : part.block_rows;
  int64_t columns = part.columns - column < part.block_columns ? part.columns - column : part.block_columns;
  int64_t c_at = row * q.ldc + part.column + column;

  bool in_place = form.c_type == F32 && columns % kTileColumns == 0 && q.k > 0 && !(form.accumulate && q.k > kDepth);
  int64_t width = ceil_div(columns, kTileColumns) * kTileColumns;
  int64_t ld = in_place ? q.ldc : width;
  float* sums = in_place ? static_cast<float*>(q.c) + c_at : scratch_of<float>(kSums, rows * width);
  if (q.k == 0) memset(sums, 0, size_t(rows * width) * sizeof(float));

  float* packed_a = scratch_of<float>(kPackedA, ceil_div(rows, kTileRows) * kTileRows * kRowStride + W);
  for (int64_t p = 0; p < q.k; p += kDepth) {
    int64_t depth = q.k - p < kDepth ? q.k - p : kDepth;
    bool add = p > 0 || (in_place && form.accumulate);
    with_type(q.a, form.a_type, [&](auto* a) { pack_a_block(packed_a, a, q.lda, form.trans_a, row, rows, p, depth); });
    for (int64_t j = 0; j < columns; j += kTileColumns) {
      const float* b = part.packed + (column + j) * q.k + p * kTileColumns;
      for (int64_t i = 0; i < rows; i += kTileRows) {
        int here = int(rows - i < kTileRows ? rows - i : kTileRows);
        tile_product_for(here, form.trans_a)(sums + i * ld + j, ld, packed_a + i * kRowStride, b, depth, add);
      }
    }
  }
  if (in_place) return;
  if (form.c_type == BF16) write_out(static_cast<bf16*>(q.c) + c_at, q.ldc, sums, width, rows, columns, form.accumulate);
  else write_out(static_cast<float*>(q.c) + c_at, q.ldc, sums, width, rows, columns, form.accumulate);
}

// Blocks of a part: large ones reuse packed A best; small products are cut finer so that every thread finds work.
void choose_blocks(Part& part) {
  int64_t m = part.problem.m, n = part.columns;
  int64_t rows = kBlockRows, columns = kBlockColumns;
  while (ceil_div(m, rows) * ceil_div(n, columns) < 12 && rows > 3 * kTileRows) rows /= 2;
  while (ceil_div(m, rows) * ceil_div(n, columns) < 12 && columns > 4 * kTileColumns) columns /= 2;
  part.block_rows = rows;
  part.block_columns = columns;
  part.row_blocks = ceil_div(m, rows);
  part.column_blocks = ceil_div(n, columns);
}

// The part that holds number `index` of a running count.
const Part& find_part(const std::vector<Part>& parts, int64_t Part::*first, int64_t index) {
  size_t low = 0, high = parts.size();
  while (high - low > 1) {
    size_t middle = (low + high) / 2;
    if (parts[middle].*first <= index) low = middle;
    else high = middle;
  }
  return parts[low];
}

void run_parts(const Form& form, const std::vector<Part>& parts, int64_t packs, int64_t chunks) {
  parallel_for(packs, [&](int64_t index) {
    const Part& part = find_part(parts, &Part::first_pack, index);
    int64_t panels = ceil_div(part.columns, kTileColumns), panel = (index - part.first_pack) * kPanelsPerPack;
    pack_panels(form, part, panel, panel + kPanelsPerPack < panels ? panel + kPanelsPerPack : panels);
  });
  parallel_for(chunks, [&](int64_t index) {
    const Part& part = find_part(parts, &Part::first_chunk, index);
    compute_block(form, part, index - part.first_chunk);
  });
}

// Cuts the problems into passes whose packed B fits into kPackedFloats, and runs them.
template <typename F>
void run_problems(const Form& form, int64_t count, F&& problem_at) {
  std::vector<Part> parts;
  std::vector<int64_t> offsets;
  int64_t used = 0, packs = 0, chunks = 0;
  auto flush = [&] {
    if (parts.empty()) return;
    float* packed = scratch_of<float>(kPackedB, used + W);
    for (size_t i = 0; i < parts.size(); i++) parts[i].packed = packed + offsets[i];
    run_parts(form, parts, packs, chunks);
    parts.clear();
    offsets.clear();
    used = packs = chunks = 0;
  };
  for (int64_t i = 0; i < count; i++) {
    Problem problem = problem_at(i);
    if (problem.m <= 0 || problem.n <= 0) continue;
    int64_t panel_floats = problem.k * kTileColumns;
    for (int64_t column = 0; column < problem.n;) {
      int64_t left = ceil_div(problem.n - column, kTileColumns);
      const Part* before = parts.empty() ? nullptr : &parts.back();
      bool shares = before && before->problem.b == problem.b && before->column == column && before->columns == problem.n;
      if (!shares && used > 0 && used + left * panel_floats > kPackedFloats) {
        flush();
        continue;
      }
      int64_t fit = panel_floats > 0 ? kPackedFloats / panel_floats : left;
      int64_t panels = fit < 1 ? 1 : left < fit ? left : fit;
      if (shares) panels = left;
      int64_t columns = panels * kTileColumns < problem.n - column ? panels * kTileColumns : problem.n - column;
      Part part{problem, column, columns, nullptr, 0, 0, 0, 0, packs, chunks};
      choose_blocks(part);
      offsets.push_back(shares ? offsets.back() : used);
      if (!shares) {
        used += panels * panel_floats;
        packs += ceil_div(panels, kPanelsPerPack);
      }
      chunks += part.row_blocks * part.column_blocks;
      parts.push_back(part);
      column += columns;
    }
  }
  flush();
}

int64_t bytes_of(int32_t type) { return type == BF16 ? 2 : 4; }
const void* advance(const void* x, int64_t elements, int32_t type) { return static_cast<const char*>(x) + elements * bytes_of(type); }
void* advance(void* x, int64_t elements, int32_t type) { return static_cast<char*>(x) + elements * bytes_of(type); }

}  // namespace

void gemm(void* c, const void* a, const void* b, int64_t m, int64_t n, int64_t k, int64_t lda, int64_t ldb, int64_t ldc,
          int32_t trans_a, int32_t trans_b, int32_t accumulate, int32_t c_type, int32_t a_type, int32_t b_type) {
  Form form{trans_a != 0, trans_b != 0, accumulate != 0, c_type, a_type, b_type};
  run_problems(form, 1, [&](int64_t) { return Problem{c, a, b, m, n, k, lda, ldb, ldc}; });
}

void gemm_batched(void* c, const void* a, const void* b, int64_t batch, int64_t stride_c, int64_t stride_a, int64_t stride_b,
                  int64_t m, int64_t n, int64_t k, int64_t lda, int64_t ldb, int64_t ldc, int32_t trans_a, int32_t trans_b,
                  int32_t accumulate, int32_t c_type, int32_t a_type, int32_t b_type) {
  Form form{trans_a != 0, trans_b != 0, accumulate != 0, c_type, a_type, b_type};
  run_problems(form, batch, [&](int64_t i) {
    return Problem{advance(c, i * stride_c, c_type), advance(a, i * stride_a, a_type), advance(b, i * stride_b, b_type),
                   m, n, k, lda, ldb, ldc};
  });
}

void grouped_gemm(void* c, const void* a, const void* b, const int32_t* offsets, int64_t groups, int64_t n, int64_t k,
                  int32_t trans_b, int32_t accumulate, int32_t c_type, int32_t a_type, int32_t b_type) {
  Form form{false, trans_b != 0, accumulate != 0, c_type, a_type, b_type};
  run_problems(form, groups, [&](int64_t e) {
    int64_t row = offsets[e], rows = offsets[e + 1] - row;
    return Problem{advance(c, row * n, c_type), advance(a, row * k, a_type), advance(b, e * n * k, b_type),
                   rows, n, k, k, trans_b ? k : n, n};
  });
}

void grouped_gemm_wgrad(float* dw, const void* dy, const void* x, const int32_t* offsets, int64_t groups, int64_t n, int64_t k,
                        int32_t dy_type, int32_t x_type) {
  Form form{true, false, true, F32, dy_type, x_type};
  run_problems(form, groups, [&](int64_t e) {
    int64_t row = offsets[e], rows = offsets[e + 1] - row;
    // The rows are the summed dimension here; an expert without rows adds nothing.
    return Problem{dw + e * n * k, advance(dy, row * n, dy_type), advance(x, row * k, x_type), rows > 0 ? n : 0, k, rows, n, k, k};
  });
}

}  // namespace FATHOM_ISA
}  // namespace fathom
