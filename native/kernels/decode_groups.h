// How the decoding products are shared out. Rows of x come in groups, each with a weight [n, k] of its own (the experts; one group is a plain
// matrix). A chunk is a piece of one group's weight, a few tens of kilobytes in order; groups without rows cost nothing.
#pragma once
#include "../parallel.h"
#include "kernels.h"

namespace fathom {
namespace FATHOM_ISA {

enum { kPackedX = 0, kActiveGroups = 1, kDecodedRows = 2 };  // scratch slots

constexpr int64_t kPieceRows = 16;        // a piece is a multiple of so many weight rows
constexpr int64_t kPieceBytes = 1 << 14;  // and about so long

// Calls piece(first row of x, rows, weight row, weight rows, column of y) for every piece of every group that has rows.
template <typename Piece>
void for_pieces(const int32_t* offsets, int64_t groups, int64_t n, int64_t row_bytes, Piece&& piece) {
  int32_t* active = scratch_of<int32_t>(kActiveGroups, groups);
  int64_t count = 0;
  for (int64_t e = 0; e < groups; e++)
    if (offsets[e + 1] > offsets[e]) active[count++] = int32_t(e);
  int64_t fitting = kPieceBytes / (row_bytes > 0 ? row_bytes : 1) / kPieceRows * kPieceRows;
  int64_t in_piece = fitting > kPieceRows ? fitting : kPieceRows, pieces = (n + in_piece - 1) / in_piece;
  parallel_for(count * pieces, [&](int64_t chunk) {
    int64_t e = active[chunk / pieces], j = chunk % pieces * in_piece;
    piece(int64_t(offsets[e]), int64_t(offsets[e + 1] - offsets[e]), e * n + j, n - j < in_piece ? n - j : in_piece, j);
  });
}

}  // namespace FATHOM_ISA
}  // namespace fathom
