#include "kernels/gemm.h"

#include <cmath>
#include <vector>

#include "testing_storage.h"
#include "testing_tables.h"

namespace cllm::kernels {
namespace {

using testing::stored;

// The kinds of words that a table multiplies, with the elements of each.
template <class Body>
void for_each_words(Body body) {
  testing::for_each_table([&](const Table& table) {
    body(table, table.gemm.fp32, 1);
    if (table.gemm.pairs.tile != nullptr) body(table, table.gemm.pairs, 2);
  });
}

// What a word multiplies: elements rounded to bf16 for pairs.
float operand(float x, int64_t elements) {
  return elements == 2 ? static_cast<float>(testing::nearest<Bf16>(x)) : x;
}

std::vector<float> random_operand(int64_t n, uint64_t seed, int64_t elements) {
  auto x = testing::random_vector(static_cast<size_t>(n), seed);
  for (float& value : x)
    value = operand(value, elements);
  return x;
}

// Word p of `x`, an element of which follows after `stride`; beyond k it is padded with zero.
float word(const float* x, int64_t stride, int64_t k, int64_t p, int64_t elements) {
  if (elements == 1) return x[p * stride];
  const float second = 2 * p + 1 < k ? x[(2 * p + 1) * stride] : 0.0f;
  const Bf16 pair[2] = {stored<Bf16>(x[2 * p * stride]), stored<Bf16>(second)};
  float result;
  std::memcpy(&result, pair, sizeof result);
  return result;
}

int64_t steps_of(int64_t k, int64_t elements) {
  return (k + elements - 1) / elements;
}

// Strips of b [k, count] by the definition.
std::vector<float> strips_of(const Table& table, int64_t k, int64_t count, const float* b,
                             int64_t elements, int64_t gap) {
  const int64_t width = table.gemm.strip, steps = steps_of(k, elements);
  const int64_t strips = (count + width - 1) / width;
  std::vector<float> words(static_cast<size_t>(strips * (steps * width + gap)), -1.0f);
  for (int64_t j = 0; j < strips * width; ++j)
    for (int64_t p = 0; p < steps; ++p)
      words[static_cast<size_t>(j / width * (steps * width + gap) + p * width + j % width)] =
          j < count ? word(b + j, count, k, p, elements) : 0.0f;
  return words;
}

// One tile with every operand exactly as large as its contract says.
struct TileProblem {
  int64_t k;
  std::vector<float> a, b;  // [rows, k] and [k, columns]
  std::vector<float> a_words, b_words, start;
  testing::GuardedSpan c;
  GemmTile tile;

  TileProblem(const Table& table, int64_t elements, int64_t rows, int64_t columns, int64_t depth)
      : k(depth),
        a(random_operand(rows * k, 1, elements)),
        b(random_operand(k * columns, 2, elements)),
        b_words(strips_of(table, k, columns, b.data(), elements, 3)),
        start(testing::random_vector(static_cast<size_t>(rows * columns), 3)),
        c(std::vector<float>(static_cast<size_t>(rows * columns), 0.5f), 1) {
    const int64_t steps = steps_of(k, elements);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t p = 0; p < steps; ++p)
        a_words.push_back(word(a.data() + r * k, 1, k, p, elements));
    tile.rows = rows, tile.columns = columns, tile.steps = steps;
    tile.a = a_words.data(), tile.a_row = steps * 4, tile.a_step = 4;
    tile.b = b_words.data(), tile.b_step = table.gemm.strip;
    tile.b_strip = steps * table.gemm.strip + 3;
    tile.start = start.data(), tile.start_stride = columns;
    tile.result.c = c.data(), tile.result.ldc = columns;
  }

  // |error| <= gamma_(k+2) times the sum of magnitudes (Higham, section 4.2).
  void expect(const std::vector<float>& got, int64_t stride) const {
    for (int64_t i = 0; i < tile.rows; ++i)
      for (int64_t j = 0; j < tile.columns; ++j) {
        double sum = start[static_cast<size_t>(i * tile.columns + j)], magnitude = std::abs(sum);
        for (int64_t p = 0; p < k; ++p) {
          const double product = static_cast<double>(a[static_cast<size_t>(i * k + p)]) *
                                 b[static_cast<size_t>(p * tile.columns + j)];
          sum += product;
          magnitude += std::abs(product);
        }
        const double gamma = static_cast<double>(k + 2) * testing::kUnit * 1.01;
        const double error = std::abs(got[static_cast<size_t>(i * stride + j)] - sum);
        ASSERT_TRUE(error <= gamma * magnitude)
            << i << ", " << j << " of " << tile.rows << " x " << tile.columns << " x " << k;
      }
  }
};

TEST(GemmKernels, TileHasEveryHeightAndWidth) {
  for_each_words([](const Table& table, const GemmWords& words, int64_t elements) {
    const int64_t width = table.gemm.strip * table.gemm.strips;
    for (int64_t rows = 1; rows <= table.gemm.rows; ++rows)
      for (int64_t columns = 1; columns <= width; ++columns)
        for (const int64_t k : {0, 1, 19}) {
          TileProblem problem(table, elements, rows, columns, k);
          words.tile(problem.tile);
          problem.expect(problem.c.values(), columns);
          ASSERT_TRUE(problem.c.intact());

          testing::GuardedSpan sums(
              std::vector<float>(static_cast<size_t>(table.gemm.rows * width)), 0);
          problem.tile.sums = sums.data();
          words.tile(problem.tile);
          problem.expect(sums.values(), width);
          ASSERT_TRUE(sums.intact());
        }
  });
}

TEST(GemmKernels, DotsHaveEveryHeightAndWidth) {
  testing::for_each_table([](const Table& table) {
    for (int64_t rows = 1; rows <= GemmKernels::kDotRows; ++rows)
      for (int64_t columns = 1; columns <= GemmKernels::kDotColumns; ++columns)
        for (const int64_t k : {0, 1, 16, 39}) {
          TileProblem problem(table, 1, rows, columns, k);
          std::vector<float> b;
          for (int64_t j = 0; j < columns; ++j)
            for (int64_t p = 0; p < k; ++p)
              b.push_back(problem.b[static_cast<size_t>(p * columns + j)]);
          GemmDots dots;
          dots.rows = rows, dots.columns = columns, dots.k = k;
          dots.a = problem.a.data(), dots.a_row = k;
          dots.b = b.data(), dots.b_row = k;
          dots.result = problem.tile.result;
          dots.result.residual = problem.start.data();
          table.gemm.dots(dots);
          problem.expect(problem.c.values(), columns);
          ASSERT_TRUE(problem.c.intact());
        }
  });
}

// `x` [rows, columns] the other way round.
std::vector<float> flipped(const std::vector<float>& x, int64_t rows, int64_t columns) {
  std::vector<float> y(x.size());
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      y[static_cast<size_t>(c * rows + r)] = x[static_cast<size_t>(r * columns + c)];
  return y;
}

template <class S>
class GemmPackingOf : public ::testing::Test {};
TYPED_TEST_SUITE(GemmPackingOf, testing::Storages);

TYPED_TEST(GemmPackingOf, ColumnsOfBothOrdersAlike) {
  using S = TypeParam;
  for_each_words([](const Table& table, const GemmWords& words, int64_t elements) {
    const GemmPacking<S>& packing = words.of<S>();
    if (packing.columns == nullptr) return;
    const int64_t width = table.gemm.strip;
    for (int64_t count = 1; count <= 2 * width + 1; ++count)
      for (int64_t k = 1; k <= 2 * elements * testing::lanes_of(table) + 1; ++k) {
        const auto b = testing::random_stored<S>(static_cast<size_t>(k * count), 3);
        const auto expected = strips_of(table, k, count, b.data(), elements, 5);
        const int64_t stride = steps_of(k, elements) * width + 5;
        const auto rows = stored<S>(b), across = stored<S>(flipped(b, k, count));
        testing::GuardedSpan strips(std::vector<float>(expected.size(), -1.0f), 0);
        packing.columns(k, count, rows.data(), count, strips.data(), stride);
        ASSERT_TRUE(testing::same_bits(strips.values(), expected));
        ASSERT_TRUE(strips.intact());
        testing::GuardedSpan other(std::vector<float>(expected.size(), -1.0f), 0);
        packing.columns_transposed(k, count, across.data(), k, other.data(), stride);
        ASSERT_TRUE(testing::same_bits(other.values(), expected));
        ASSERT_TRUE(other.intact());
      }
  });
}

TYPED_TEST(GemmPackingOf, RowsOfBothOrders) {
  using S = TypeParam;
  for_each_words([](const Table& table, const GemmWords& words, int64_t elements) {
    const GemmPacking<S>& packing = words.of<S>();
    if (packing.rows == nullptr) return;
    const int64_t rows = table.gemm.rows;
    for (const int64_t k : {1, 7, 16, 40, 67})
      for (int64_t count = 1; count <= 3 * rows + 1; ++count) {
        const int64_t steps = steps_of(k, elements), stride = rows * steps + 5;
        const auto a = testing::random_stored<S>(static_cast<size_t>(k * count), 4);
        const auto along = stored<S>(a), across = stored<S>(flipped(a, count, k));
        std::vector<float> plain(static_cast<size_t>(count * (steps + 3)), -1.0f);
        std::vector<float> blocks(static_cast<size_t>((count + rows - 1) / rows * stride), -1.0f);
        for (int64_t r = 0; r < (count + rows - 1) / rows * rows; ++r)
          for (int64_t p = 0; p < steps; ++p) {
            const float x = r < count ? word(a.data() + r * k, 1, k, p, elements) : 0.0f;
            blocks[static_cast<size_t>(r / rows * stride + p * rows + r % rows)] = x;
            if (r < count) plain[static_cast<size_t>(r * (steps + 3) + p)] = x;
          }
        testing::GuardedSpan packed(std::vector<float>(plain.size(), -1.0f), 0);
        packing.rows(k, count, along.data(), k, packed.data(), steps + 3);
        ASSERT_TRUE(testing::same_bits(packed.values(), plain)) << count << " x " << k;
        ASSERT_TRUE(packed.intact());
        testing::GuardedSpan turned(std::vector<float>(blocks.size(), -1.0f), 0);
        packing.rows_transposed(k, count, across.data(), count, turned.data(), stride);
        ASSERT_TRUE(testing::same_bits(turned.values(), blocks)) << count << " x " << k;
        ASSERT_TRUE(turned.intact());
      }
  });
}

}  // namespace
}  // namespace cllm::kernels
