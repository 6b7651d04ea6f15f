#include "ops/lattice_table.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "testing_tables.h"

namespace cllm::ops {
namespace {

using testing::for_each_context;
using testing::for_each_table;
using testing::random_vector;
using testing::same_bits;

constexpr float kStep = 0x1p-6F;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Squared distance, in steps, of 8 numbers to the nearest point of E8: every coordinate of a
// nearest point of Z^8 with an even sum, or of the same moved by one half, is the whole one below
// or above.
double distance2_to_lattice(const float* w) {
  double best = std::numeric_limits<double>::infinity();
  for (const double half : {0.0, 0.5})
    for (int above = 0; above < 256; ++above) {
      double distance2 = 0, sum = 0;
      for (int i = 0; i < 8; ++i) {
        const double x = static_cast<double>(w[i]) / kStep - half;
        const double whole = std::floor(x) + (above >> i & 1);
        distance2 += (x - whole) * (x - whole);
        sum += whole;
      }
      if (std::fmod(sum, 2) == 0) best = std::min(best, distance2);
    }
  return best;
}

bool is_lattice_point(const int8_t* doubled) {
  int sum = 0;
  for (int i = 0; i < 8; ++i) {
    if ((doubled[i] - doubled[0]) % 2 != 0) return false;
    sum += doubled[i];
  }
  return sum % 4 == 0;
}

std::vector<float> rounded(const Context& context, int64_t C, const std::vector<float>& w) {
  std::vector<float> result(w.size(), kNan);
  lattice_round(context, std::ssize(w) / C, C, kStep, w.data(), result.data());
  return result;
}

std::vector<int8_t> integers(const Context& context, int64_t C, const std::vector<float>& w) {
  std::vector<int8_t> result(w.size(), 99);
  lattice_integers(context, std::ssize(w) / C, C, kStep, w.data(), result.data());
  return result;
}

TEST(LatticeTable, IsTheNearestPointOfE8) {
  constexpr int64_t kC = 40;
  const std::vector<float> w = random_vector(70 * kC, 1, 2 * kStep);
  for_each_context([&](const Context& context) {
    const std::vector<float> points = rounded(context, kC, w);
    const std::vector<int8_t> doubled = integers(context, kC, w);
    for (size_t i = 0; i < w.size(); i += 8) {
      ASSERT_TRUE(is_lattice_point(doubled.data() + i)) << i;
      double distance2 = 0;
      for (size_t j = i; j < i + 8; ++j) {
        ASSERT_EQ(points[j], kStep / 2 * doubled[j]);
        const double error = (static_cast<double>(w[j]) - static_cast<double>(points[j])) / kStep;
        distance2 += error * error;
      }
      // Both are sums of eight squares of doubles below 2.
      ASSERT_NEAR(distance2, distance2_to_lattice(w.data() + i), 1e-12) << i;
    }
  });
}

TEST(LatticeTable, TheCheckOfPointsRejectsOthers) {
  EXPECT_TRUE(is_lattice_point(std::vector<int8_t>{1, 1, 1, 1, 1, 1, 1, -3}.data()));
  EXPECT_FALSE(is_lattice_point(std::vector<int8_t>{1, 1, 1, 1, 1, 1, 1, -1}.data()));
  EXPECT_FALSE(is_lattice_point(std::vector<int8_t>{2, 0, 0, 0, 0, 0, 0, 0}.data()));
  EXPECT_FALSE(is_lattice_point(std::vector<int8_t>{1, 2, 1, 1, 1, 1, 1, 0}.data()));
}

TEST(LatticeTable, HasTheSameBitsInEveryTableAndInPlace) {
  constexpr int64_t kC = 24;
  std::vector<float> w = random_vector(1000 * kC, 2, 3 * kStep);
  std::vector<float> first;
  for_each_context([&](const Context& context) {
    const std::vector<float> points = rounded(context, kC, w);
    if (first.empty()) first = points;
    EXPECT_TRUE(same_bits(points, first));
    EXPECT_TRUE(same_bits(rounded(context, kC, points), points)) << "a point is its own nearest";
  });
  ThreadPool pool(2);
  const Context context{pool, kernels::chosen_table()};
  lattice_round(context, 1000, kC, kStep, w.data(), w.data());
  EXPECT_TRUE(same_bits(w, first));
}

TEST(LatticeTable, KeepsToItsReach) {
  ThreadPool pool(1);
  const Context context{pool, kernels::chosen_table()};
  const std::vector<float> w = random_vector(50 * 8, 3, 1000 * kStep);
  const std::vector<int8_t> doubled = integers(context, 8, w);
  for (size_t i = 0; i < w.size(); ++i) {
    EXPECT_LE(std::abs(int{doubled[i]}), 126);
    EXPECT_TRUE(std::abs(int{doubled[i]}) >= 122 || std::abs(w[i]) < 62 * kStep);
  }
}

TEST(LatticeTable, ShowsWhatIsNoNumber) {
  for_each_table([](const kernels::Table& table) {
    ThreadPool pool(1);
    const Context context{pool, table};
    for (const float bad : {kNan, kInfinity, -kInfinity}) {
      std::vector<float> w = random_vector(3 * 16, 4, kStep);
      w[20] = bad;
      const std::vector<float> points = rounded(context, 16, w);
      for (size_t i = 0; i < w.size(); ++i)
        EXPECT_EQ(std::isnan(points[i]), i / 8 == 20 / 8) << i;
      std::vector<int8_t> doubled(w.size());
      std::vector<float> scale(3), y(3);
      const DecodeMatrix matrix =
          store_lattice(context, 3, 16, kStep, w.data(), doubled.data(), scale.data());
      decode(context, matrix, 1, w.data(), y.data(), {});
      EXPECT_TRUE(std::isnan(y[1]));
    }
  });
}

TEST(LatticeTable, LimitKeepsEverySumBelowWhatFloatCounts) {
  ThreadPool pool(2);
  const Context context{pool, kernels::chosen_table()};
  std::vector<int8_t> row(100);
  const std::vector<float> scale = {1};
  const auto limit = [&](int8_t value) {
    std::fill(row.begin(), row.end(), value);
    return exact_limit(context, {WeightType::kInt8, row.data(), scale.data(), 1, 100});
  };
  EXPECT_EQ(limit(0), 32767);
  EXPECT_EQ(limit(-5), 32767);  // 500 * 32767 < 2^24
  EXPECT_EQ(limit(6), 16383);
  EXPECT_EQ(limit(-126), 1023);  // 12600 * 1023 < 2^24 < 12600 * 2047
}

TEST(RoundToIntegers, FindsTheFinestGridOfARow) {
  ThreadPool pool(1);
  const Context context{pool, kernels::chosen_table()};
  const auto row = [&](std::vector<float> x, int64_t limit) {
    round_to_integers(context, 1, std::ssize(x), limit, x.data(), x.data());
    return x;
  };
  EXPECT_TRUE(same_bits(row({3, -7, 0.4f, 2.5f}, 7), {3, -7, 0, 2}));
  EXPECT_TRUE(same_bits(row({3, -7.6f, 1, 5}, 7), {4, -8, 0, 4}));  // 7.6 would round to 8: grid 2
  EXPECT_TRUE(same_bits(row({0.75f, 0.0625f}, 7), {0.75f, 0}));     // the tie goes to even
  EXPECT_TRUE(same_bits(row({0, 0}, 127), {0, 0}));
  for (const float x : row({1, kNan, 2}, 7))
    EXPECT_TRUE(std::isnan(x));
  for (const float x : row({1, -kInfinity, 2}, 7))
    EXPECT_TRUE(std::isnan(x));
}

// The promise of the header: the products are those of whole numbers, whatever computes them.
class ExactLogits {
 public:
  static constexpr int64_t kV = 530, kC = 328, kN = 5;

  ExactLogits()
      : table_(random_vector(kV * kC, 5, 3 * kStep)), hidden_(random_vector(kN * kC, 6)) {}

  std::vector<float> run(const Context& context, bool with_rounding) const {
    std::vector<int8_t> doubled(table_.size());
    std::vector<float> scale(kV), x = hidden_, logits(kN * kV);
    const DecodeMatrix matrix =
        store_lattice(context, kV, kC, kStep, table_.data(), doubled.data(), scale.data());
    if (with_rounding)
      round_to_integers(context, kN, kC, exact_limit(context, matrix), x.data(), x.data());
    decode(context, matrix, kN, x.data(), logits.data(), {});
    return logits;
  }
  // By integers: the grid of a row is a power of two, found again from its finest part.
  std::vector<float> truth(const Context& context) const {
    std::vector<int8_t> doubled(table_.size());
    std::vector<float> scale(kV), x = hidden_, logits;
    const DecodeMatrix matrix =
        store_lattice(context, kV, kC, kStep, table_.data(), doubled.data(), scale.data());
    round_to_integers(context, kN, kC, exact_limit(context, matrix), x.data(), x.data());
    constexpr double kGrid = 0x1p-40;  // finer than any of them
    for (int64_t n = 0; n < kN; ++n)
      for (int64_t v = 0; v < kV; ++v) {
        int64_t sum = 0;
        for (int64_t c = 0; c < kC; ++c)
          sum += static_cast<int64_t>(static_cast<double>(x[static_cast<size_t>(n * kC + c)]) /
                                      kGrid) *
                 doubled[static_cast<size_t>(v * kC + c)];
        logits.push_back(static_cast<float>(static_cast<double>(sum) * kGrid * (kStep / 2)));
      }
    return logits;
  }

 private:
  std::vector<float> table_, hidden_;
};

TEST(LatticeTable, LogitsAreExactForEveryTableAndAnyThreads) {
  const ExactLogits problem;
  ThreadPool pool(1);
  const std::vector<float> truth = problem.truth({pool, kernels::chosen_table()});
  for_each_context(
      [&](const Context& context) { EXPECT_TRUE(same_bits(problem.run(context, true), truth)); });
}

// The verifier of the test above must reject what was not rounded.
TEST(LatticeTable, WithoutRoundingTheLogitsAreNotExact) {
  const ExactLogits problem;
  ThreadPool pool(1);
  const std::vector<float> truth = problem.truth({pool, kernels::chosen_table()});
  std::vector<std::vector<float>> logits;
  for_each_table([&](const kernels::Table& table) {
    logits.push_back(problem.run({pool, table}, false));
    EXPECT_FALSE(same_bits(logits.back(), truth));
  });
  // Widths sum in different orders; with one table there is nothing more to compare.
  if (logits.size() > 1) {
    EXPECT_FALSE(same_bits(logits.front(), logits.back()));
  }
}

}  // namespace
}  // namespace cllm::ops
