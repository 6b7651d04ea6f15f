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

// The cells at + i sign(along) + j sign(across), in an order that begins at `at` and ends at the
// other end of `along`. Both sides are parallel to an axis and not zero.
struct Part {
  Point at, along, across;
  int64_t cells() const { return length(along) * length(across); }
};

// The parts that the curve runs through, one after the other; returns how many.
int cut(const Part& whole, Part (&parts)[3]) {
  const auto& [at, along, across] = whole;
  const int64_t width = length(along), height = length(across);
  if (2 * width > 3 * height) {
    // 1. A long one in two.
    const Point near = half(along, width > 2);
    parts[0] = {at, near, across};
    parts[1] = {at + near, along - near, across};
    return 2;
  }
  // 2. Else three: up the near half, along the far side, and back down.
  const Point step = sign(along), side_step = sign(across);
  const Point near = half(along, false), rise = half(across, height > 2);
  parts[0] = {at, rise, near};
  parts[1] = {at + rise, along, across - rise};
  parts[2] = {at + (along - step) + (rise - side_step), -rise, -(along - near)};
  return 3;
}

// Of a rectangle that begins at (0, 0).
Part whole_of(int64_t width, int64_t height) {
  const Point right{width, 0}, up{0, height};
  return width >= height ? Part{{}, right, up} : Part{{}, up, right};
}

bool is_line(const Part& part) {
  return length(part.along) == 1 || length(part.across) == 1;
}

// Cell `index` of a line.
Point cell_of_line(const Part& line, int64_t index) {
  const Point step = sign(length(line.across) == 1 ? line.along : line.across);
  return {line.at.x + index * step.x, line.at.y + index * step.y};
}

void append(const Part& part, std::vector<Point>& cells) {
  if (is_line(part)) {
    for (int64_t i = 0; i < part.cells(); ++i)
      cells.push_back(cell_of_line(part, i));
    return;
  }
  Part parts[3];
  const int count = cut(part, parts);
  for (int i = 0; i < count; ++i)
    append(parts[i], cells);
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
  append(whole_of(width, height), cells);
  return cells;
}

Point rectangle_cell(int64_t width, int64_t height, int64_t index) {
  CHECK_MSG(width >= 1 && height >= 1 && index >= 0 && index < width * height, "{} of {} x {}",
            index, width, height);
  Part part = whole_of(width, height);
  while (!is_line(part)) {
    Part parts[3];
    const int count = cut(part, parts);
    int next = 0;
    while (next < count - 1 && index >= parts[next].cells())
      index -= parts[next++].cells();
    part = parts[next];
  }
  return cell_of_line(part, index);
}

}  // namespace cllm::number
