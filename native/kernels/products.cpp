// Matrix products after Goto & van de Geijn (2008): C is cut into blocks that threads take one by one; for each block of kDepth words of
// k, the block's columns of op(B) and its rows of op(A) are packed into panels that fit the second-level cache, and the register
// tile of gemm_tile.h runs over them. A small B that many blocks need is packed once, by all threads, before. Single, batched and
// grouped products are lists of problems whose blocks share one queue, so small products of many experts keep all threads busy.
// An output is the sum of its blocks of kDepth words of products, in order; then C is overwritten or added to. Neither m, n, the blocks
// nor the thread count changes it. With scales, the tile stops at the end of each block of k that shares them, and what it has is
// multiplied by them and added: the promotion to f32 of the report's section 3.3.2.
#include "products.h"

#include <atomic>

#include "../parallel.h"
#include "gemm_pack.h"
#include "quantized.h"

namespace fathom {
namespace FATHOM_ISA {
namespace {

// Slots of scratch memory that belong to this file.
enum { kSharedB = 0, kPackedA = 1, kSums = 2, kPackedB = 3, kDecoded = 4, kScales = 5, kOwnB = 6 };

constexpr int64_t kSharedFloats = int64_t(4) << 20;  // a B of up to 16 MiB is packed once for all ...
constexpr int64_t kOwnFloats = int64_t(64) << 10;     // ... or, up to 256 KiB, by each thread for itself ...
constexpr int64_t kSharedRows = 256;                 // ... if more rows than this use it
constexpr int64_t kPanelsPerPack = 4;
constexpr int64_t kPackedRows = 12 * kTileRows;      // rows of A packed at a time
constexpr int64_t kBytesInPlace = int64_t(2) << 20;  // an A of up to so much is in a cache, and its rows are read where they are
constexpr int64_t kAliasedBytes = 2048;              // rows so far apart share cache sets
constexpr int64_t kMaxRows = 512, kMaxColumns = 1024, kMaxSums = 256 << 10;  // of a block of C; kMaxSums = rows * columns
constexpr int64_t kMinRows = 10 * kTileRows, kMinColumns = 128;
constexpr double kBlockFlops = 256e6;                // what a block should at least hold once there are kEnoughBlocks
constexpr int64_t kEnoughBlocks = 8, kManyBlocks = 64;  // for a few threads; more threads need more
constexpr int64_t kDecodedRows = 8;                  // rows of an operand decoded at a time where they are packed row by row

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t a, int64_t unit) { return ceil_div(a, unit) * unit; }

// A problem and its grid of blocks. Its op(B) is packed whole before any block is computed (`shared`), or by each thread that computes one
// (`call` names the call it is packed for, 0: it is not), or piece by piece in every block.
struct Plan {
  Problem problem;
  const float* shared;
  uint64_t call;

  bool is_b_whole() const { return shared || call > 0; }
  bool reads_a_in_place;
  int64_t row_blocks, column_blocks, first_block;
};

// The begin of part i of n of `total`, in whole units dealt out evenly: no part is longer than another by more than one unit.
int64_t part_begin(int64_t total, int64_t unit, int64_t i, int64_t n) { return least_of(ceil_div(total, unit) * i / n * unit, total); }

// All that depends on what a word holds.
template <typename Words>
struct Product {
  using Element = typename Words::Element;
  static constexpr int64_t kValues = Words::per_word;
  static constexpr int64_t kChunk = kDepth * kValues;  // values of k in one block of the sums

  const Form& form;

  static int64_t words(int64_t values) { return (values + kValues - 1) / kValues; }

  // Values [at, at + count) of a stored row, as they are or (group > 0) multiplied by the scales of the row.
  void decode(Element* y, const Operand& x, Store store, int64_t row, int64_t at, int64_t count, int64_t group) const {
    const uint8_t* from = static_cast<const uint8_t*>(row_of(x.data, row, x.ld, store));
    const float* scales = group > 0 ? x.scales.values + row * x.scales.stride : nullptr;
    with_store(store, [&](auto format) { decode_run<decltype(format)>(y, from, scales, at, count, x.ld, group); });
  }

  // Calls body(rows, ld, first, count) with elements of the rows [first, first + count) after `row`, columns from `column` on: the operand's
  // own memory if it is stored as elements, else at most `most` rows at a time, decoded.
  template <typename F>
  void rows_of(const Operand& x, Store store, int64_t row, int64_t rows, int64_t column, int64_t columns, int64_t group, int64_t most,
               F&& body) const {
    if (store == Store::bf16) return body(static_cast<const bf16*>(x.data) + row * x.ld + column, x.ld, int64_t(0), rows);
    if constexpr (kValues == 1)
      if (store == Store::f32) return body(static_cast<const float*>(x.data) + row * x.ld + column, x.ld, int64_t(0), rows);
    int64_t ld = round_up(columns, kQuantStep) + kQuantStep;  // apart from powers of two
    Element* decoded = scratch_of<Element>(kDecoded, most * ld + 2 * W);
    for (int64_t first = 0; first < rows; first += most) {
      int64_t count = least_of(most, rows - first);
      for (int64_t i = 0; i < count; i++) decode(decoded + i * ld, x, store, row + first + i, column, columns, group);
      body(const_cast<const Element*>(decoded), ld, first, count);
    }
  }

  // Columns [column, column + columns) of op(B), k in [first, first + depth), to panels of words(depth) rows.
  void pack_b(float* y, const Problem& q, int64_t column, int64_t columns, int64_t first, int64_t depth) const {
    int64_t panel = words(depth);
    if (form.trans_b)
      rows_of(q.b, form.b, column, columns, first, depth, 0, kTileColumns, [&](auto* b, int64_t ld, int64_t at, int64_t count) {
        pack_b_transposed(y + at * panel, b, ld, count, depth, Words{});
      });
    else
      rows_of(q.b, form.b, first, depth, column, columns, form.group, kDecodedRows, [&](auto* b, int64_t ld, int64_t at, int64_t count) {
        pack_b_straight(y + words(at) * kTileColumns, panel, b, ld, columns, count, Words{});
      });
  }

  // Rows [row, row + rows) of op(A), k in [first, first + depth).
  void pack_a(float* y, const Problem& q, int64_t row, int64_t rows, int64_t first, int64_t depth) const {
    if (form.trans_a)
      rows_of(q.a, form.a, first, depth, row, rows, 0, kDecodedRows, [&](auto* a, int64_t ld, int64_t at, int64_t count) {
        pack_a_transposed(y + words(at) * kTileRows, a, ld, rows, count, Words{});
      });
    else
      rows_of(q.a, form.a, row, rows, first, depth, 0, kDecodedRows, [&](auto* a, int64_t ld, int64_t at, int64_t count) {
        pack_a_straight(y + at * kRowStride, a, ld, count, depth, Words{});
      });
  }

  // Whether the rows of op(A) are the words that the tile reads, and lie well in the caches.
  bool is_in_words(const Problem& q) const {
    bool whole = form.a == (kValues == 1 ? Store::f32 : Store::bf16) && q.a.ld % kValues == 0 && q.k % kValues == 0;
    whole = whole && reinterpret_cast<uintptr_t>(q.a.data) % sizeof(float) == 0;
    return !form.trans_a && whole && q.a.ld * int64_t(sizeof(Element)) % kAliasedBytes != 0;
  }
  static const float* words_of_a(const Problem& q, int64_t row, int64_t first) {
    return reinterpret_cast<const float*>(static_cast<const Element*>(q.a.data) + row * q.a.ld + first);
  }

  // The words [first, first + depth) of k cut where the scales change.
  int segments(Segment* out, int64_t first, int64_t depth) const {
    if (form.block == 0) return out[0] = {words(depth), 0}, 1;
    int count = 0;
    for (int64_t p = first; p < first + depth;) {
      int64_t end = least_of((p / form.block + 1) * form.block, first + depth);
      out[count++] = {words(end - p), p / form.block};
      p = end;
    }
    return count;
  }
  static constexpr int kMostSegments = int(kChunk / 32) + 1;

  // op(B) in the memory of this thread, packed if it is not there yet.
  const float* whole_of_thread(const Plan& plan) const {
    static thread_local uint64_t packed_for = 0;
    const Problem& q = plan.problem;
    float* whole = scratch_of<float>(kOwnB, ceil_div(q.n, kTileColumns) * kTileColumns * words(q.k));
    if (packed_for != plan.call) pack_b(whole, q, 0, q.n, 0, q.k);
    packed_for = plan.call;
    return whole;
  }

  // One block of C. A whole sum of f32 without edges goes straight to C; all others are gathered in scratch memory and then written.
  void block(const Plan& plan, int64_t number) const {
    const Problem& q = plan.problem;
    int64_t down = number / plan.column_blocks, across = number % plan.column_blocks;
    int64_t row = part_begin(q.m, kTileRows, down, plan.row_blocks), column = part_begin(q.n, kTileColumns, across, plan.column_blocks);
    int64_t rows = part_begin(q.m, kTileRows, down + 1, plan.row_blocks) - row;
    int64_t columns = part_begin(q.n, kTileColumns, across + 1, plan.column_blocks) - column;
    int64_t c_at = row * q.ldc + column;

    // What C holds is added to the whole sum: straight to C would go a part at a time where scales part it.
    bool in_parts = form.accumulate && form.block > 0 && q.k > form.block;
    bool in_place = form.c_type == F32 && columns % kTileColumns == 0 && q.k > 0 && q.k <= kChunk && !in_parts;
    int64_t width = round_up(columns, kTileColumns);
    int64_t ld = in_place ? q.ldc : width + 16;  // apart from powers of two, whose rows would share cache sets
    float* sums = in_place ? static_cast<float*>(q.c) + c_at : scratch_of<float>(kSums, rows * ld);
    if (q.k <= 0) {
      memset(sums, 0, size_t(rows * ld) * sizeof(float));
      write_out(q, c_at, sums, ld, rows, columns);
      return;
    }
    float* packed_a = scratch_of<float>(kPackedA, kPackedRows * kRowStride + W);
    const float* whole_b = plan.shared ? plan.shared : plan.call > 0 ? whole_of_thread(plan) : nullptr;
    float* packed_b = whole_b ? nullptr : scratch_of<float>(kPackedB, width * least_of(kDepth, words(q.k)));
    Segment segment[kMostSegments];
    bool in_rows = plan.reads_a_in_place;
    int64_t lda = in_rows ? q.a.ld / kValues : kRowStride;
    for (int64_t p = 0; p < q.k; p += kChunk) {
      int64_t depth = least_of(kChunk, q.k - p);
      int count = segments(segment, p, depth);
      if (packed_b) pack_b(packed_b, q, column, columns, p, depth);
      const float* b = packed_b ? packed_b : whole_b + column * words(q.k) + p / kValues * kTileColumns;
      int64_t panel_stride = (packed_b ? words(depth) : words(q.k)) * kTileColumns;
      float* scales = form.block > 0 ? scratch_of<float>(kScales, count * (rows + width)) : nullptr;
      for (int s = 0; scales && s < count; s++) {
        for (int64_t i = 0; i < rows; i++) scales[s * rows + i] = q.a.scales.at(row + i, segment[s].block);
        float* of_columns = scales + count * rows + s * width;
        for (int64_t j = 0; j < width; j++) of_columns[j] = j < columns ? q.b.scales.at(column + j, segment[s].block) : 0.0f;
      }
      for (int64_t i = 0; i < rows; i += kPackedRows) {
        int64_t here = least_of(kPackedRows, rows - i);
        if (!in_rows) pack_a(packed_a, q, row + i, here, p, depth);
        const float* rows_of_a = in_rows ? words_of_a(q, row + i, p) : packed_a;
        for (int64_t j = 0; j < columns; j += kTileColumns) {
          const float* panel = b + j / kTileColumns * panel_stride;
          for (int64_t r = 0; r < here; r += kTileRows) {
            int tile_rows = int(least_of(kTileRows, here - r));
            float* c = sums + (i + r) * ld + j;
            const float* a = rows_of_a + r * lda;
            bool add = p > 0 || (in_place && form.accumulate);
            if (scales) {
              TileScales here{segment, count, scales + i + r, scales + count * rows + j, rows, width};
              tile_product_for<Words, true>(tile_rows, columns - j, form.trans_a)(c, ld, a, lda, panel, 0, add, &here);
            } else {
              tile_product_for<Words, false>(tile_rows, columns - j, form.trans_a)(c, ld, a, lda, panel, segment[0].words, add, nullptr);
            }
          }
        }
        if (!in_place && p + depth == q.k) write_out(q, c_at + i * q.ldc, sums + i * ld, ld, here, columns);
      }
    }
  }

  // C[rows, columns] (row stride ldc) (+)= sums, in the storage type of C; c_at counts elements.
  void write_out(const Problem& q, int64_t c_at, const float* sums, int64_t ld, int64_t rows, int64_t columns) const {
    if (form.c_type == BF16) write_out(static_cast<bf16*>(q.c) + c_at, q.ldc, sums, ld, rows, columns);
    else write_out(static_cast<float*>(q.c) + c_at, q.ldc, sums, ld, rows, columns);
  }
  template <typename C>
  void write_out(C* c, int64_t ldc, const float* sums, int64_t ld, int64_t rows, int64_t columns) const {
    for (int64_t i = 0; i < rows; i++, c += ldc, sums += ld) {
      int64_t j = 0;
      for (; j + W <= columns; j += W) store(c + j, form.accumulate ? load(c + j) + load(sums + j) : load(sums + j));
      if (int64_t rest = columns - j; rest > 0) {
        vf value = load_part(sums + j, rest);
        store_part(c + j, form.accumulate ? load_part(c + j, rest) + value : value, rest);
      }
    }
  }

  void run(std::vector<Plan>& plans, bool one_b, double flops) const;
};

// The grid of blocks: as large as caches allow, because packing is paid once a block, but enough of them for all threads.
// Splitting rows packs B again unless it is shared; splitting columns packs A again.
void choose_blocks(Plan& plan, double flops, int64_t problems) {
  const Problem& q = plan.problem;
  int64_t pool = threads(), enough = most_of(kEnoughBlocks, 2 * pool), many = most_of(kManyBlocks, 4 * pool);
  double wanted = flops / kBlockFlops;
  int64_t blocks = ceil_div(wanted < double(enough) ? enough : wanted > double(many) ? many : int64_t(wanted), problems);
  // Threads that would have nothing to do rather pack the same once more.
  bool few = ceil_div(q.m, kMinRows) * ceil_div(q.n, kMinColumns) * problems < pool;
  int64_t least_rows = few ? 2 * kTileRows : kMinRows, least_columns = few ? 2 * kTileColumns : kMinColumns;
  int64_t down = ceil_div(q.m, kMaxRows), across = ceil_div(q.n, kMaxColumns);
  for (;;) {
    int64_t rows = round_up(ceil_div(q.m, down), kTileRows), columns = round_up(ceil_div(q.n, across), kTileColumns);
    if (down * across >= blocks && rows * columns <= kMaxSums) break;
    bool rows_left = rows > least_rows, columns_left = columns > least_columns;
    if (!rows_left && !columns_left) break;
    if (rows_left && (!columns_left || plan.is_b_whole() || rows > columns)) down++;
    else across++;
  }
  plan.row_blocks = least_of(down, ceil_div(q.m, kTileRows));
  plan.column_blocks = least_of(across, ceil_div(q.n, kTileColumns));
}

template <typename Words>
void Product<Words>::run(std::vector<Plan>& plans, bool one_b, double flops) const {
  const Problem& first = plans[0].problem;
  int64_t panels = ceil_div(first.n, kTileColumns), panel_floats = words(first.k) * kTileColumns, rows = 0;
  for (const Plan& plan : plans) rows += plan.problem.m;
  if (one_b && rows > kSharedRows && panel_floats > 0 && panels * panel_floats <= kSharedFloats) {
    // What one thread packs another would have to fetch from its cache: where that is little, each packs its own.
    static std::atomic<uint64_t> calls{0};
    bool is_small = threads() > 1 && panels * panel_floats <= kOwnFloats;
    if (is_small) {
      uint64_t call = ++calls;
      for (Plan& plan : plans) plan.call = call;
    }
    float* shared = is_small ? nullptr : scratch_of<float>(kSharedB, panels * panel_floats);
    parallel_ranges(is_small ? 0 : panels, least_of(kPanelsPerPack, ceil_div(panels, 2 * threads())), [&](int64_t begin, int64_t end) {
      int64_t column = begin * kTileColumns;
      pack_b(shared + begin * panel_floats, first, column, least_of(first.n, end * kTileColumns) - column, 0, first.k);
    });
    for (Plan& plan : plans) plan.shared = shared;
  }
  int64_t blocks = 0, bytes_of_a = rows * first.k * int64_t(sizeof(Element));
  for (Plan& plan : plans) {
    plan.reads_a_in_place = bytes_of_a <= kBytesInPlace && is_in_words(plan.problem);
    choose_blocks(plan, flops, int64_t(plans.size()));
    plan.first_block = blocks;
    blocks += plan.row_blocks * plan.column_blocks;
  }
  parallel_for(blocks, [&](int64_t number) {
    size_t low = 0, high = plans.size();
    while (high - low > 1) {
      size_t middle = (low + high) / 2;
      (plans[middle].first_block <= number ? low : high) = middle;
    }
    block(plans[low], number - plans[low].first_block);
  });
}

}  // namespace

void run_products(const Form& form, const std::vector<Problem>& problems, bool one_b) {
  std::vector<Plan> plans;
  double flops = 0;
  for (const Problem& q : problems) {
    if (q.m <= 0 || q.n <= 0) continue;
    flops += 2.0 * double(q.m) * double(q.n) * double(q.k);
    plans.push_back(Plan{q, nullptr, 0, false, 0, 0, 0});
  }
  if (plans.empty()) return;
  // Quantised values are exact in bf16 and their scales come afterwards, so beside bf16 they are multiplied as bf16.
  bool narrow = form.a != Store::f32 && form.b != Store::f32 && form.group == 0;
  if constexpr (kHasPairs)
    if (narrow) return Product<Pairs>{form}.run(plans, one_b, flops);
  Product<Values>{form}.run(plans, one_b, flops);
}

}  // namespace FATHOM_ISA
}  // namespace fathom
