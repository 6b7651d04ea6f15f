#include "kernels/gemm.h"

#include <cmath>
#include <vector>

#include "testing_tables.h"

namespace cllm::kernels {
namespace {

// One tile with every operand exactly as large as its contract says.
struct TileProblem {
  GemmTile tile;
  std::vector<float> a, b;
  testing::GuardedSpan c;

  TileProblem(int64_t rows, int64_t columns, int64_t k, int64_t b_width, bool b_transposed)
      : a(testing::random_vector(static_cast<size_t>(rows * k), 1)),
        b(testing::random_vector(static_cast<size_t>(b_width * k), 2)),
        c(std::vector<float>(static_cast<size_t>(rows * columns), 0.5f), 1) {
    tile.rows = rows, tile.columns = columns, tile.k = k;
    tile.a = a.data(), tile.a_row = k, tile.a_step = 1;
    tile.b = b.data(), tile.b_stride = b_transposed ? k : b_width;
    tile.c = c.data(), tile.ldc = columns;
  }

  // |error| <= gamma_(k+1) times the sum of magnitudes (Higham, section 4.2).
  void expect_product(bool b_transposed) const {
    const std::vector<float> got = c.values();
    for (int64_t i = 0; i < tile.rows; ++i)
      for (int64_t j = 0; j < tile.columns; ++j) {
        double sum = 0, magnitude = 0;
        for (int64_t p = 0; p < tile.k; ++p) {
          const float y = b_transposed ? tile.b[j * tile.k + p] : tile.b[p * tile.b_stride + j];
          const double product = static_cast<double>(tile.a[i * tile.k + p]) * y;
          sum += product;
          magnitude += std::abs(product);
        }
        const double gamma = static_cast<double>(tile.k + 1) * testing::kUnit * 1.01;
        const double error = std::abs(got[static_cast<size_t>(i * tile.columns + j)] - sum);
        ASSERT_TRUE(error <= gamma * magnitude)
            << i << ", " << j << " of " << tile.rows << " x " << tile.columns << " x " << tile.k;
      }
    ASSERT_TRUE(c.intact());
  }
};

TEST(GemmKernels, TileHasEveryHeightAndWidth) {
  testing::for_each_table([](const Table& table) {
    for (int64_t rows = 1; rows <= table.gemm.rows; ++rows)
      for (int64_t columns = 1; columns <= table.gemm.columns; ++columns)
        for (const int64_t k : {0, 1, 19}) {
          TileProblem problem(rows, columns, k, table.gemm.columns, false);
          table.gemm.tile(problem.tile);
          problem.expect_product(false);
        }
  });
}

TEST(GemmKernels, DotsHaveEveryHeightAndWidth) {
  testing::for_each_table([](const Table& table) {
    for (int64_t rows = 1; rows <= GemmKernels::kDotRows; ++rows)
      for (int64_t columns = 1; columns <= GemmKernels::kDotColumns; ++columns)
        for (const int64_t k : {0, 1, 16, 39}) {
          TileProblem problem(rows, columns, k, columns, true);
          table.gemm.dots(problem.tile);
          problem.expect_product(true);
        }
  });
}

TEST(GemmKernels, PacksPanelsFromBothOrdersAlike) {
  testing::for_each_table([](const Table& table) {
    const int64_t width = table.gemm.columns;
    for (int64_t count = 1; count <= width; ++count)
      for (int64_t k = 0; k <= 2 * testing::lanes_of(table) + 1; ++k) {
        const auto b = testing::random_vector(static_cast<size_t>(k * count), 3);
        std::vector<float> flipped(b.size()), expected(static_cast<size_t>(k * width), 0.0f);
        for (int64_t p = 0; p < k; ++p)
          for (int64_t j = 0; j < count; ++j) {
            const float x = b[static_cast<size_t>(p * count + j)];
            flipped[static_cast<size_t>(j * k + p)] = x;
            expected[static_cast<size_t>(p * width + j)] = x;
          }
        testing::GuardedSpan panel(std::vector<float>(expected.size(), -1.0f), 0);
        table.gemm.pack_columns(k, count, b.data(), count, panel.data());
        ASSERT_TRUE(testing::same_bits(panel.values(), expected));
        ASSERT_TRUE(panel.intact());
        testing::GuardedSpan other(std::vector<float>(expected.size(), -1.0f), 0);
        table.gemm.pack_columns_transposed(k, count, flipped.data(), k, other.data());
        ASSERT_TRUE(testing::same_bits(other.values(), expected));
        ASSERT_TRUE(other.intact());
      }
  });
}

TEST(GemmKernels, PacksTransposedRowsIntoBlocks) {
  testing::for_each_table([](const Table& table) {
    const int64_t rows = table.gemm.rows, k = 7, stride = rows * k + 5;
    for (int64_t count = 1; count <= 3 * rows + 1; ++count) {
      const int64_t blocks = (count + rows - 1) / rows;
      const auto a = testing::random_vector(static_cast<size_t>(k * count), 4);
      std::vector<float> expected(static_cast<size_t>(blocks * stride), -1.0f);
      for (int64_t r = 0; r < blocks * rows; ++r)
        for (int64_t p = 0; p < k; ++p)
          expected[static_cast<size_t>(r / rows * stride + p * rows + r % rows)] =
              r < count ? a[static_cast<size_t>(p * count + r)] : 0.0f;
      testing::GuardedSpan packed(std::vector<float>(expected.size(), -1.0f), 0);
      table.gemm.pack_rows_transposed(k, count, a.data(), count, packed.data(), stride);
      ASSERT_TRUE(testing::same_bits(packed.values(), expected)) << count;
      ASSERT_TRUE(packed.intact());
    }
  });
}

}  // namespace
}  // namespace cllm::kernels
