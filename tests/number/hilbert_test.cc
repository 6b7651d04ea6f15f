#include "number/hilbert.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

#include "number/number_testing.h"

namespace cllm::number {
namespace {

int64_t taxi_distance(Point a, Point b) {
  return std::abs(a.x - b.x) + std::abs(a.y - b.y);
}

TEST(Hilbert, VisitsEveryCellByUnitSteps) {
  for (int order = 0; order <= 6; ++order) {
    const uint64_t cells = uint64_t{1} << (2 * order);
    const int64_t side = int64_t{1} << order;
    for (uint64_t i = 0; i < cells; ++i) {
      const Point p = hilbert_point(order, i);
      ASSERT_TRUE(p.x >= 0 && p.x < side && p.y >= 0 && p.y < side);
      ASSERT_EQ(hilbert_index(order, p), i);  // hence a bijection
      if (i > 0) {
        ASSERT_EQ(taxi_distance(hilbert_point(order, i - 1), p), 1);
      }
    }
    EXPECT_EQ(hilbert_point(order, 0), (Point{0, 0}));
    EXPECT_EQ(hilbert_point(order, cells - 1), (Point{side - 1, 0}));
  }
}

TEST(Hilbert, QuartersAreVisitedOneAfterTheOther) {
  // What makes it local: each aligned square of 2^k is one run of the order.
  constexpr int kOrder = 5;
  for (int k = 1; k < kOrder; ++k)
    for (uint64_t i = 0; i < uint64_t{1} << (2 * kOrder); ++i) {
      const Point p = hilbert_point(kOrder, i), first = hilbert_point(kOrder, i >> 2 * k << 2 * k);
      ASSERT_EQ(p.x >> k, first.x >> k);
      ASSERT_EQ(p.y >> k, first.y >> k);
    }
}

TEST(Hilbert, GoesBothWaysAtTheLargestOrder) {
  for (uint64_t i = 0; i < 2000; ++i) {
    const uint64_t index = random_word(1, i) >> 2;
    EXPECT_EQ(hilbert_index(31, hilbert_point(31, index)), index);
  }
}

TEST(RectangleCell, IsThatOfTheOrder) {
  for (int64_t width = 1; width <= 24; ++width)
    for (int64_t height = 1; height <= 24; ++height) {
      const std::vector<Point> order = rectangle_order(width, height);
      for (size_t i = 0; i < order.size(); ++i)
        ASSERT_EQ(rectangle_cell(width, height, static_cast<int64_t>(i)), order[i])
            << width << " x " << height << ", " << i;
    }
}

TEST(RectangleOrder, VisitsEveryCellOnceByShortSteps) {
  for (int64_t width = 0; width <= 24; ++width)
    for (int64_t height = 0; height <= 24; ++height) {
      const std::vector<Point> order = rectangle_order(width, height);
      ASSERT_EQ(order.size(), static_cast<size_t>(width * height));
      if (order.empty()) continue;
      std::vector<bool> seen(order.size());
      int diagonal = 0;
      for (size_t i = 0; i < order.size(); ++i) {
        const Point p = order[i];
        ASSERT_TRUE(p.x >= 0 && p.x < width && p.y >= 0 && p.y < height);
        const auto cell = static_cast<size_t>(p.y * width + p.x);
        ASSERT_FALSE(seen[cell]);
        seen[cell] = true;
        if (i == 0) continue;
        const Point q = order[i - 1];
        ASSERT_TRUE(std::abs(p.x - q.x) <= 1 && std::abs(p.y - q.y) <= 1);
        diagonal += taxi_distance(p, q) == 2 ? 1 : 0;
      }
      EXPECT_EQ(order.front(), (Point{0, 0}));
      const int64_t longer = std::max(width, height), shorter = std::min(width, height);
      const bool forced = longer % 2 != 0 && shorter % 2 == 0 && shorter != 2;
      EXPECT_EQ(diagonal, forced ? 1 : 0) << width << "x" << height;
      const Point end = width >= height ? Point{width - 1, 0} : Point{0, height - 1};
      const bool beside = longer % 2 != 0 && shorter == 2 && longer != 1;
      EXPECT_EQ(taxi_distance(order.back(), end), beside ? 1 : 0) << width << "x" << height;
    }
}

TEST(RectangleOrder, IsHilbertsOnSquaresOfPowersOfTwo) {
  for (int order = 1; order <= 5; ++order) {
    const int64_t side = int64_t{1} << order;
    const std::vector<Point> cells = rectangle_order(side, side);
    // The generalised curve may be a reflection of Hilbert's quadrants inside; its halves agree.
    for (size_t i = 0; i < cells.size(); ++i) {
      const Point hilbert = hilbert_point(order, i);
      ASSERT_EQ(cells[i].x >= side / 2, hilbert.x >= side / 2);
      ASSERT_EQ(cells[i].y >= side / 2, hilbert.y >= side / 2);
    }
  }
}

TEST(RectangleOrder, RefusesWhatDoesNotFit) {
  expect_error([] { rectangle_order(-1, 2); }, ErrorKind::kUsage, "no such rectangle");
  expect_error([] { rectangle_order(int64_t{1} << 40, int64_t{1} << 40); }, ErrorKind::kUsage,
               "no such rectangle");
}

}  // namespace
}  // namespace cllm::number
