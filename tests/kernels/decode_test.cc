#include "kernels/decode.h"

#include <gtest/gtest.h>

#include "kernels/stored_weights.h"
#include "testing_tables.h"

namespace cllm::kernels {
namespace {

using testing::for_each_table;
using testing::kUnit;
using testing::kWeightTypes;
using testing::lanes_of;
using testing::random_vector;
using testing::same_bits;
using testing::StoredWeights;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr int64_t kGap = 3;  // between rows of activations, and of results

// A call with everything that it reads.
struct Problem {
  Problem(WeightType type, int64_t rows, int64_t columns, int64_t k)
      : weights(type, columns, k, 7), bias(random_vector(static_cast<size_t>(columns), 2)) {
    const auto numbers = random_vector(static_cast<size_t>(rows * k), 1);
    x.assign(static_cast<size_t>(rows > 0 ? (rows - 1) * (k + kGap) + k : 0), kNan);
    for (int64_t r = 0; r < rows; ++r)
      std::copy_n(numbers.begin() + r * k, k, x.begin() + r * (k + kGap));
    call.rows = rows, call.columns = columns, call.k = k;
    call.a_row = k + kGap;
    call.b_row = k;
  }

  // [rows, columns + kGap]: the result, with sentinels in the gaps.
  std::vector<float> run(const Table& table) {
    std::vector<float> c(static_cast<size_t>(call.rows * stride()), kSentinel);
    DecodeDots dots = call;
    dots.a = x.data();
    dots.b = weights.data();
    dots.scale = weights.scale();
    dots.result.c = c.data(), dots.result.ldc = stride();
    dots.result.bias = bias.data();
    table.decode.of(weights.type()).dots(dots);
    return c;
  }
  int64_t stride() const { return call.columns + kGap; }

  // Products and lanes are added in some order, then scale and bias: one rounding each. Lanes sum
  // k / lanes products and are added in a tree.
  ::testing::AssertionResult check(const Table& table, const std::vector<float>& c) const {
    const auto lanes = static_cast<double>(lanes_of(table));
    const double roundings = std::ceil(static_cast<double>(call.k) / lanes) + std::log2(lanes) + 3;
    for (int64_t r = 0; r < call.rows; ++r)
      for (int64_t j = 0; j < stride(); ++j) {
        const float got = c[static_cast<size_t>(r * stride() + j)];
        if (j >= call.columns) {
          if (got == kSentinel) continue;
          return ::testing::AssertionFailure() << "a write outside, at " << r << ", " << j;
        }
        double sum = static_cast<double>(bias[static_cast<size_t>(j)]), size = std::abs(sum);
        for (int64_t p = 0; p < call.k; ++p) {
          const double product =
              static_cast<double>(x[static_cast<size_t>(r * call.a_row + p)]) * weights.at(j, p);
          sum += product;
          size += std::abs(product);
        }
        if (!(std::abs(static_cast<double>(got) - sum) <= roundings * kUnit * size))
          return ::testing::AssertionFailure()
                 << "element " << r << ", " << j << ": " << got << ", expected " << sum;
      }
    return ::testing::AssertionSuccess();
  }

  static constexpr float kSentinel = 1984;
  StoredWeights weights;
  std::vector<float> bias, x;
  DecodeDots call;
};

TEST(DecodeDots, AreTheDotProductsWithinRounding) {
  for_each_table([](const Table& table) {
    std::vector<int64_t> depths = {0, 1, 2, 15, 63, 64, 65, 200};
    for (const int64_t depth : {lanes_of(table), 2 * lanes_of(table) + 1})
      depths.push_back(depth);
    for (const WeightType type : kWeightTypes)
      for (const int64_t k : depths)
        for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 11, 15, 16})
          for (const int64_t columns : {1, 3, 7, 8, 9, 16}) {
            Problem problem(type, rows, columns, k);
            EXPECT_TRUE(problem.check(table, problem.run(table)))
                << "type " << static_cast<int>(type) << ", " << rows << " x " << columns << " x "
                << k;
          }
  });
}

TEST(DecodeDots, TheCheckRejectsWrongElements) {
  const Table& table = chosen_table();
  Problem problem(WeightType::kInt8, 3, 5, 40);
  const std::vector<float> right = problem.run(table);
  ASSERT_TRUE(problem.check(table, right));
  for (const size_t place : {size_t{0}, right.size() - kGap - 1, right.size() - 1})
    for (const float wrong : {right[place] * 1.00001f, kNan}) {
      std::vector<float> c = right;
      c[place] = wrong;
      EXPECT_FALSE(problem.check(table, c)) << place;
    }
}

// What a prompt gets must not depend on those beside it, nor on how the columns are cut.
TEST(DecodeDots, BitsOfAnElementDoNotDependOnTheOthers) {
  for_each_table([](const Table& table) {
    for (const WeightType type : kWeightTypes) {
      Problem whole(type, 16, 16, 145);
      const std::vector<float> all = whole.run(table);
      for (int64_t rows = 1; rows <= 16; ++rows)
        for (const int64_t columns : {1, 6, 16}) {
          Problem part(type, rows, 16, 145);
          part.call.columns = columns;
          const std::vector<float> got = part.run(table);
          for (int64_t r = 0; r < rows; ++r)
            for (int64_t j = 0; j < columns; ++j)
              ASSERT_EQ(got[static_cast<size_t>(r * part.stride() + j)],
                        all[static_cast<size_t>(r * whole.stride() + j)])
                  << rows << " x " << columns;
        }
    }
  });
}

// With nothing written behind them, whatever is left of the last block of rows and columns.
TEST(DecodeDots, StopAtTheSumsWhenAsked) {
  for_each_table([](const Table& table) {
    for (const WeightType type : kWeightTypes)
      for (const auto& [rows, columns] : {std::pair{1, 9}, {2, 16}, {7, 9}, {15, 15}, {16, 16}}) {
        Problem problem(type, rows, columns, 50);
        problem.bias.assign(problem.bias.size(), 0);
        const std::vector<float> c = problem.run(table);
        testing::GuardedSpan sums(
            std::vector<float>(static_cast<size_t>(DecodeKernels::kSums), kNan), 0);
        DecodeDots dots = problem.call;
        dots.a = problem.x.data(), dots.b = problem.weights.data();
        dots.scale = problem.weights.scale();
        dots.sums = sums.data();
        table.decode.of(type).dots(dots);
        const std::vector<float> got = sums.values();
        for (int64_t r = 0; r < rows; ++r)
          for (int64_t j = 0; j < columns; ++j)
            EXPECT_EQ(got[static_cast<size_t>(r * DecodeKernels::kColumns + j)],
                      c[static_cast<size_t>(r * problem.stride() + j)]);
        EXPECT_TRUE(sums.intact()) << rows << " x " << columns;
      }
  });
}

// A NaN poisons its row or column, and no other.
TEST(DecodeDots, NanStaysWhereItBelongs) {
  for_each_table([](const Table& table) {
    for (const WeightType type : kWeightTypes)
      for (const int64_t rows : {1, 2, 3, 9}) {
        Problem problem(type, rows, 13, 70);
        problem.weights.poison(4);
        problem.x[static_cast<size_t>((rows - 1) * problem.call.a_row + 69)] = kNan;
        const std::vector<float> c = problem.run(table);
        for (int64_t r = 0; r < rows; ++r)
          for (int64_t j = 0; j < 13; ++j)
            EXPECT_EQ(std::isnan(c[static_cast<size_t>(r * problem.stride() + j)]),
                      r == rows - 1 || j == 4)
                << r << ", " << j;
      }
  });
}

TEST(DecodeExpand, GivesTheWeightsWithinRounding) {
  for_each_table([](const Table& table) {
    for (const WeightType type : kWeightTypes)
      for (const int64_t n : testing::lengths_for(table))
        for (const bool add : {false, true}) {
          const StoredWeights weights(type, 1, n, 5);
          const float scale = weights.scale() != nullptr ? *weights.scale() : 1;
          const std::vector<float> before = random_vector(static_cast<size_t>(n), 6);
          testing::GuardedSpan y(before, static_cast<size_t>(n % 4));
          table.decode.of(type).expand(n, weights.data(), scale, add, y.data());
          const std::vector<float> got = y.values();
          for (int64_t i = 0; i < n; ++i) {
            const double weight = weights.at(0, i), old = add ? before[static_cast<size_t>(i)] : 0;
            // The product is rounded, and the sum.
            EXPECT_TRUE(std::abs(got[static_cast<size_t>(i)] - (weight + old)) <=
                        kUnit * (std::abs(weight) + (add ? std::abs(weight + old) : 0)) * 1.001)
                << "type " << static_cast<int>(type) << ", n " << n << ", add " << add;
          }
          EXPECT_TRUE(y.intact());
        }
  });
}

}  // namespace
}  // namespace cllm::kernels
