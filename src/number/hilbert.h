// Orders in which to visit the cells of a rectangle so that neighbours in the order are neighbours
// in the plane: Hilbert's curve on squares of 2^k (D. Hilbert, 1891), and its generalisation to any
// rectangle by recursive halving (the construction known as gilbert). Pure and thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "number/ulam.h"

namespace cllm::number {

// The square of side 2^order, 0 <= order <= 31; it begins at (0, 0) and ends at (2^order - 1, 0).
// O(order). index < 4^order; 0 <= x, y < 2^order.
Point hilbert_point(int order, uint64_t index);
uint64_t hilbert_index(int order, Point point);

// All cells (x, y), 0 <= x < width, 0 <= y < height, each once, from (0, 0) to the other end of the
// longer side (beside it where the sides are odd and 2). Steps go to one of the four neighbours,
// but for one diagonal step where the longer side is odd and the shorter even and more than 2: such
// a path between such ends cannot do without. O(width * height). Error (kUsage) for a negative side
// or more than 2^31 cells.
std::vector<Point> rectangle_order(int64_t width, int64_t height);
// Number `index` of them, both sides at least 1. O(log(width * height)).
Point rectangle_cell(int64_t width, int64_t height, int64_t index);

}  // namespace cllm::number
