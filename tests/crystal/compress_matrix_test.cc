#include "crystal/compress_matrix.h"

#include <gtest/gtest.h>

#include "crystal/coded_matrix.h"
#include "crystal/gap_rig.h"
#include "crystal/rans.h"

namespace cllm {
namespace {

constexpr size_t kRows = 512, kColumns = 48;
constexpr QuantiseMethod kMethods[] = {QuantiseMethod::kRtn, QuantiseMethod::kGptq,
                                       QuantiseMethod::kLllBabai, QuantiseMethod::kLllKbest};

struct Case {
  std::vector<float> weights = testing::normal_weights(kRows * kColumns, 1);
  std::vector<double> hessian = testing::hessian_of(testing::power_law(kColumns, 1.5), 2);

  std::vector<uint8_t> compress(double bits, QuantiseMethod method, int threads) const {
    ThreadPool pool(threads);
    return compress_matrix(
        {.weights = weights, .rows = kRows, .columns = kColumns, .hessian = hessian}, bits,
        {.method = method, .block = 24, .width = 8}, 7, pool);
  }
  // Sum over rows of e^T H e.
  double error(const std::vector<uint8_t>& record) const {
    ThreadPool pool(2);
    std::vector<float> decoded(weights.size());
    reconstruct(decode_matrix(record, kRows, kColumns, "test"), decoded, pool);
    double sum = 0;
    for (size_t row = 0; row < kRows; ++row)
      for (size_t i = 0; i < kColumns; ++i)
        for (size_t j = 0; j < kColumns; ++j)
          sum += hessian[i * kColumns + j] *
                 (double{weights[row * kColumns + i]} - decoded[row * kColumns + i]) *
                 (double{weights[row * kColumns + j]} - decoded[row * kColumns + j]);
    return sum;
  }
};

TEST(CompressMatrix, MeetsTheRateAndBetterMethodsErrLess) {
  const Case problem;
  for (const double bits : {1.0, 2.5, 4.0}) {
    double before = 1e300;
    for (const QuantiseMethod method : kMethods) {
      const std::vector<uint8_t> record = problem.compress(bits, method, 2);
      const CodedMatrix matrix = decode_matrix(record, kRows, kColumns, "test");
      EXPECT_NEAR(empirical_entropy(matrix.integers), bits, 0.0101);
      const double error = problem.error(record);
      // 0.3 of rounding's, then 0.89 to 0.94, then 0.87 to 0.89 of the method's before.
      EXPECT_LT(error, 0.97 * before) << bits << " " << quantise_method_name(method);
      before = error;
    }
  }
}

TEST(CompressMatrix, ManyThreadsGiveTheSameBytes) {
  const Case problem;
  for (const QuantiseMethod method : kMethods)
    EXPECT_EQ(problem.compress(3, method, 1), problem.compress(3, method, 3));
}

// Behind the embedding of a small vocabulary: few different inputs, the rest rounding errors.
TEST(CompressMatrix, AnHessianOfLowRankIsDamped) {
  Case problem;
  std::vector<double> eigenvalues(kColumns);
  for (size_t i = 0; i < kColumns; ++i)
    eigenvalues[i] = i < 5 ? 1 : -1e-7;
  problem.hessian = testing::hessian_of(eigenvalues, 3);
  for (const QuantiseMethod method : kMethods)
    EXPECT_LT(problem.error(problem.compress(3, method, 2)),
              0.1 * static_cast<double>(kRows * 5));  // of all that the weights do there
}

TEST(CompressMatrix, ZeroWeightsAndNoHessian) {
  Case problem;
  problem.hessian.clear();
  ThreadPool pool(2);
  const std::vector<uint8_t> plain = problem.compress(2, QuantiseMethod::kLllKbest, 2);
  EXPECT_EQ(plain, problem.compress(2, QuantiseMethod::kRtn, 2)) << "Z^n needs no search";
  problem.weights.assign(problem.weights.size(), 0);
  const CodedMatrix zero =
      decode_matrix(problem.compress(2, QuantiseMethod::kGptq, 2), kRows, kColumns, "test");
  EXPECT_EQ(zero.integers, std::vector<int32_t>(kRows * kColumns));
}

// Tables of n-grams are mostly rows that no text has met. They stay zero, cost next to nothing, and
// the others are what they are without them.
TEST(CompressMatrix, RowsOfZerosLeaveTheOthersAsTheyAre) {
  constexpr size_t kOneIn = 5;
  for (const bool with_hessian : {true, false})
    for (const QuantiseMethod method : {QuantiseMethod::kGptq, QuantiseMethod::kLllKbest}) {
      Case problem;
      if (!with_hessian) problem.hessian.clear();
      const CodedMatrix alone =
          decode_matrix(problem.compress(3, method, 2), kRows, kColumns, "test");
      std::vector<float> sparse(problem.weights.size() * kOneIn);
      std::vector<int32_t> integers(sparse.size());
      for (size_t row = 0; row < kRows; ++row) {
        const auto to = static_cast<ptrdiff_t>((row * kOneIn + 3) * kColumns);
        std::copy_n(problem.weights.begin() + static_cast<ptrdiff_t>(row * kColumns), kColumns,
                    sparse.begin() + to);
        std::copy_n(alone.integers.begin() + static_cast<ptrdiff_t>(row * kColumns), kColumns,
                    integers.begin() + to);
      }
      ThreadPool pool(3);
      const std::vector<uint8_t> record =
          compress_matrix({.weights = sparse,
                           .rows = kRows * kOneIn,
                           .columns = kColumns,
                           .hessian = problem.hessian},
                          3, {.method = method, .block = 24, .width = 8}, 7, pool);
      const CodedMatrix matrix = decode_matrix(record, kRows * kOneIn, kColumns, "test");
      EXPECT_EQ(matrix.integers, integers);
      EXPECT_EQ(matrix.scales, alone.scales);
      EXPECT_EQ(record.size(), encode_matrix(alone).size() + kRows * kOneIn / 8);
    }
}

}  // namespace
}  // namespace cllm
