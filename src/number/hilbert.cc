#include "number/hilbert.h"

#include <cstdlib>
#include <utility>

#include "base/check.h"
#include "base/error.h"

namespace cllm::number {
namespace {

constexpr int64_t kMaxCells = int64_t{1} << 31;

// Turns and mirrors a quadrant of side s so that its curve connects to those beside it.
void turn(uint64_t s, bool right, bool upper, uint64_t& x, uint64_t& y) {
  if (upper) return;
  if (right) {
    x = s - 1 - x;
    y = s - 1 - y;
  }
  std::swap(x, y);
}

Point operator+(Point a, Point b) {
  return {a.x + b.x, a.y + b.y};
}
Point operator-(Point a, Point b) {
  return {a.x - b.x, a.y - b.y};
}
Point operator-(Point a) {
  return {-a.x, -a.y};
}
Point sign(Point a) {
  return {(a.x > 0) - (a.x < 0), (a.y > 0) - (a.y < 0)};
}
int64_t length(Point a) {
  return std::abs(a.x + a.y);  // one of them is 0
}

// About half of a side. Halves of an even number of cells let the curve leave where it must.
Point half(Point side, bool make_even) {
  const Point h{side.x / 2, side.y / 2};
  return make_even && length(h) % 2 != 0 ? h + sign(side) : h;
}

// Appends the cells at + i sign(along) + j sign(across), beginning at `at`, ending at the other end
// of `along`. Both are parallel to an axis and not zero.
void fill(Point at, Point along, Point across, std::vector<Point>& cells) {
  const Point step = sign(along), side_step = sign(across);
  const int64_t width = length(along), height = length(across);
  if (height == 1 || width == 1) {
    const Point one = height == 1 ? step : side_step;
    for (int64_t i = 0; i < width * height; ++i, at = at + one)
      cells.push_back(at);
    return;
  }
  if (2 * width > 3 * height) {
    // 1. A long one in two.
    const Point first = half(along, width > 2);
    fill(at, first, across, cells);
    fill(at + first, along - first, across, cells);
    return;
  }
  // 2. Else three: up the near half, along the far side, and back down.
  const Point first = half(along, false), rise = half(across, height > 2);
  fill(at, rise, first, cells);
  fill(at + rise, along, across - rise, cells);
  fill(at + (along - step) + (rise - side_step), -rise, -(along - first), cells);
}

}  // namespace

Point hilbert_point(int order, uint64_t index) {
  CHECK(order >= 0 && order <= 31 && index >> (2 * order) == 0);
  uint64_t x = 0, y = 0;
  for (int level = 0; level < order; ++level, index >>= 2) {
    const uint64_t s = uint64_t{1} << level;
    const bool right = (index & 2) != 0, upper = ((index ^ (index >> 1)) & 1) != 0;
    turn(s, right, upper, x, y);
    x += right ? s : 0;
    y += upper ? s : 0;
  }
  return {static_cast<int64_t>(x), static_cast<int64_t>(y)};
}

uint64_t hilbert_index(int order, Point point) {
  CHECK(order >= 0 && order <= 31);
  uint64_t x = static_cast<uint64_t>(point.x), y = static_cast<uint64_t>(point.y), index = 0;
  CHECK(x >> order == 0 && y >> order == 0);
  for (int level = order; level-- > 0;) {
    const uint64_t s = uint64_t{1} << level;
    const bool right = (x & s) != 0, upper = (y & s) != 0;
    index = index << 2 | (right ? 2u : 0u) | (right != upper ? 1u : 0u);
    x &= s - 1;
    y &= s - 1;
    turn(s, right, upper, x, y);
  }
  return index;
}

std::vector<Point> rectangle_order(int64_t width, int64_t height) {
  if (width < 0 || height < 0 || (height != 0 && width > kMaxCells / height))
    throw Error(ErrorKind::kUsage, fmt::format("{}x{}", width, height), "no such rectangle",
                fmt::format("sides from 0, at most {} cells", kMaxCells));
  std::vector<Point> cells;
  if (width == 0 || height == 0) return cells;
  cells.reserve(static_cast<size_t>(width * height));
  const Point right{width, 0}, up{0, height};
  if (width >= height)
    fill({}, right, up, cells);
  else
    fill({}, up, right, cells);
  return cells;
}

}  // namespace cllm::number
