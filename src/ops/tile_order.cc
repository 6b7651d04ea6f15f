#include "ops/tile_order.h"

#include <cstdlib>

#include "base/check.h"

namespace cllm::ops {
namespace {

Tile operator+(Tile a, Tile b) {
  return {a.first + b.first, a.second + b.second};
}
Tile operator-(Tile a, Tile b) {
  return {a.first - b.first, a.second - b.second};
}
Tile operator-(Tile a) {
  return {-a.first, -a.second};
}
Tile operator*(int64_t count, Tile a) {
  return {count * a.first, count * a.second};
}
Tile sign(Tile a) {
  return {(a.first > 0) - (a.first < 0), (a.second > 0) - (a.second < 0)};
}
int64_t length(Tile side) {
  return std::abs(side.first + side.second);  // one of them is 0
}

// About half of a side. Halves of an even number of tiles let the curve leave where it must.
Tile half(Tile side, bool make_even) {
  const Tile h{side.first / 2, side.second / 2};
  return make_even && length(h) % 2 != 0 ? h + sign(side) : h;
}

// The tiles at + i sign(along) + j sign(across), in an order that begins at `at` and ends at the
// other end of `along`. Both sides are parallel to an axis and not zero.
struct Part {
  Tile at, along, across;
  int64_t tiles() const { return length(along) * length(across); }
};

// The parts that the curve runs through, one after the other; returns how many.
int cut(const Part& whole, Part (&parts)[3]) {
  const auto& [at, along, across] = whole;
  const int64_t width = length(along), height = length(across);
  if (2 * width > 3 * height) {
    // 1. A long one in two.
    const Tile near = half(along, width > 2);
    parts[0] = {at, near, across};
    parts[1] = {at + near, along - near, across};
    return 2;
  }
  // 2. Else three: up the near half, along the far side, and back down.
  const Tile step = sign(along), side_step = sign(across);
  const Tile near = half(along, false), rise = half(across, height > 2);
  parts[0] = {at, rise, near};
  parts[1] = {at + rise, along, across - rise};
  parts[2] = {at + (along - step) + (rise - side_step), -rise, -(along - near)};
  return 3;
}

Tile hilbert_tile(Part part, int64_t index) {
  while (length(part.along) > 1 && length(part.across) > 1) {
    Part parts[3];
    const int count = cut(part, parts);
    int next = 0;
    while (next < count - 1 && index >= parts[next].tiles())
      index -= parts[next++].tiles();
    part = parts[next];
  }
  return part.at + index * sign(length(part.across) == 1 ? part.along : part.across);
}

}  // namespace

Tile tile_at(TileOrder order, int64_t first, int64_t second, int64_t index) {
  CHECK_MSG(first >= 1 && second >= 1 && index >= 0 && index < first * second, "{} of {} x {}",
            index, first, second);
  if (order == TileOrder::kStraight) return {index % first, index / first};
  const Tile right{first, 0}, up{0, second};
  return first >= second ? hilbert_tile({{}, right, up}, index)
                         : hilbert_tile({{}, up, right}, index);
}

}  // namespace cllm::ops
